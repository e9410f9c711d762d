// Rules made ready to be judged many times: names are looked up once. Plain data; read-only after make_rule_plan(), and
// then thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/model/rule.h"
#include "userspace/model/snapshot_field.h"

namespace outrider {

struct RulePlan {
  /// The probes without which there is no figure; those of the cache come and go by themselves.
  enum class Probes : std::uint8_t { kNone, kQuery, kCache };

  /// What judging a rule needs, and no more: thousands are gone through in each interval.
  struct Step {
    double threshold = 0;
    std::uint64_t least_queries = 0;
    std::uint32_t column = 0;     ///< in `fields`, or in `type_fields` of a rule that is judged by type
    std::uint32_t selection = 0;  ///< in `selections`, of a rule that is judged by type
    bool above = true, absent = false, by_type = false;
    Probes probes = Probes::kNone;
    bool of_host = false;  ///< a figure of the host, and no target is named: one of them is enough
  };

  std::vector<Rule> rules;
  std::vector<Step> steps;  ///< of `rules`, in their order
  std::vector<const SnapshotField*> fields;
  std::vector<const TypeField*> type_fields;
  std::vector<std::vector<std::string>> selections;  ///< each list of type patterns once: many rules have the same
};

/// Rules whose figure there is not (the configuration refuses them) are left out.
RulePlan make_rule_plan(std::vector<Rule> rules);

/// Whether a shell pattern of `patterns` is that of `name`; an empty list is not.
bool matches_any(const std::vector<std::string>& patterns, const std::string& name);

/// The unit of a snapshot's figure; empty if there is none of that name.
std::string_view unit_of(const std::string& field);

}  // namespace outrider
