// Any text as what a service answers `outrider top`, or as a file of snapshots.
#include <nlohmann/json.hpp>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/tui/board_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(outrider::text_of(data, size));
  outrider::made(outrider::targets_from_json(text));
  outrider::made(outrider::alerts_from_json(text));
  outrider::made(outrider::agent_from_json(text));
  outrider::made(outrider::past_from_json(text));
  outrider::made(outrider::error_from_json(text));
  if (const auto snapshots = outrider::snapshots_from_json(text)) {
    for (const auto& snapshot : *snapshots) outrider::to_json_line(*snapshot);
  }
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  const auto snapshot = outrider::snapshot_from_json(json);
  if (!snapshot) return 0;
  const auto again = outrider::snapshot_from_json(nlohmann::ordered_json::parse(outrider::to_json_line(*snapshot)));
  outrider::demand(again.has_value(), "a snapshot is read back");
  return 0;
}
