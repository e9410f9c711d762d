#include "userspace/detect/statement_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "userspace/model/statement.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr double kLeastShareOfBlocker = 0.2;
constexpr std::size_t kSomeWords = 80, kSomeLines = 300;

std::string cut(const std::string& statement, std::size_t most) {
  if (statement.size() <= most) return statement;
  return valid_utf8(statement.substr(0, most)) + "...";
}

std::string with_statement(const QueryMetrics& metrics, const std::string& type) {
  const auto found = metrics.query_type_breakdown.find(type);
  if (found == metrics.query_type_breakdown.end() || !found->second.statement) return type;
  return fmt::format("{} ({}{})", type, whose(found->second.session), cut(*found->second.statement, kSomeWords));
}

}  // namespace

std::string describe_blocking(const QueryMetrics& metrics, const std::string& type) {
  const auto found = std::find_if(metrics.blocking.begin(), metrics.blocking.end(), [&](const Blocking& pair) {
    return (type.empty() || pair.type == type) && !pair.blocked_by.empty() &&
           pair.share.value_or(0) >= kLeastShareOfBlocker;
  });
  if (found == metrics.blocking.end()) return "";
  return fmt::format("{} waited {:.0f} % of its time for {} ({})", with_statement(metrics, found->type),
                     100 * std::min(1.0, *found->share), with_statement(metrics, found->blocked_by), found->wait);
}

std::string describe_statements(const QueryMetrics& metrics, const std::string& text) {
  std::string words;
  for (const auto& [type, figures] : metrics.query_type_breakdown) {
    if (!figures.statement || text.find(type) == std::string::npos) continue;
    const bool said = text.find(cut(*figures.statement, kSomeWords)) != std::string::npos;
    if (!said) words += fmt::format("; {} is: {}{}", type, whose(figures.session), cut(*figures.statement, kSomeLines));
  }
  return words;
}

}  // namespace outrider
