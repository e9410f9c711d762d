#include "userspace/detect/blocking_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr double kLeastShare = 0.2;
constexpr std::size_t kMostOfStatement = 80;

std::string with_statement(const QueryMetrics& metrics, const std::string& type) {
  const auto found = metrics.query_type_breakdown.find(type);
  if (found == metrics.query_type_breakdown.end() || !found->second.statement) return type;
  const std::string& statement = *found->second.statement;
  if (statement.size() <= kMostOfStatement) return fmt::format("{} ({})", type, statement);
  return fmt::format("{} ({}...)", type, valid_utf8(statement.substr(0, kMostOfStatement)));
}

}  // namespace

std::string describe_blocking(const QueryMetrics& metrics, const std::string& type) {
  const auto found = std::find_if(metrics.blocking.begin(), metrics.blocking.end(), [&](const Blocking& pair) {
    return (type.empty() || pair.type == type) && !pair.blocked_by.empty() && pair.share.value_or(0) >= kLeastShare;
  });
  if (found == metrics.blocking.end()) return "";
  return fmt::format("{} waited {:.0f} % of its time for {} ({})", with_statement(metrics, found->type),
                     100 * std::min(1.0, *found->share), with_statement(metrics, found->blocked_by), found->wait);
}

}  // namespace outrider
