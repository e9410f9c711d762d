// Any text as the query of a question about history, as the API has it: what is accepted fits what is asked of the
// store.
#include <algorithm>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/history/history_view.h"
#include "userspace/http/request_target.h"

namespace {

using outrider::demand;

constexpr std::int64_t kNow = 1'767'225'600'000;
constexpr std::size_t kMaxRows = 300;

outrider::HistorySource source() {
  using Names = std::vector<std::string>;
  using Found = outrider::Result<Names>;
  outrider::HistorySource made;
  made.targets = [] { return Found(Names{"graph", "other"}); };
  made.targets_in = [](std::int64_t from, std::int64_t to) {
    demand(from < to, "it is asked for the targets of a window");
    return Found(Names{"graph"});
  };
  made.types = [](const std::string& target) {
    demand(target == "graph" || target == "other", "it is asked for the types of a target that there is");
    return Found(Names{"path", "\"a,b\""});
  };
  // A point in the middle of the window: what it has of no metric is no value.
  made.history = [](const outrider::HistoryQuery& query) {
    outrider::History history;
    history.from_ms = query.from_ms;
    history.to_ms = query.to_ms;
    history.step_ms = history.resolution_ms = query.step_ms;
    history.points.emplace_back().begin_ms = query.from_ms + (query.to_ms - query.from_ms) / 2;
    return outrider::Result<outrider::History>(std::move(history));
  };
  return made;
}

void check(const outrider::HistoryRequest& request) {
  const outrider::HistoryQuery& query = request.query;
  demand(query.from_ms < query.to_ms && query.step_ms > 0, "a window has a length, and steps");
  const auto metrics = static_cast<std::int64_t>(request.metrics.size());
  demand(metrics > 0, "something is asked for");
  const std::int64_t steps = (query.to_ms - query.from_ms) / query.step_ms;
  demand(steps <= outrider::kMaxHistorySteps && steps * metrics <= outrider::kMaxHistoryValues, "an answer is bounded");
  demand(query.target == "graph" || query.target == "other", "a target is one that there is");
  for (const auto* metric : request.metrics) {
    demand(metric != nullptr && (!query.type || metric->per_type), "a type has the metrics that are asked of it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::HistorySource kSource = source();
  const auto target = outrider::parse_request_target("/api/v1/history?" + std::string(outrider::text_of(data, size)));
  if (!target) return 0;
  const outrider::HistoryParameters parameters(target->query.begin(), target->query.end());
  const auto request = outrider::parse_history_request(parameters, kSource, kNow, kMaxRows);
  if (!request) {
    demand(!request.error().message.empty(), "a refusal says why");
    return 0;
  }
  check(*request);
  const auto table = outrider::read_history(*request, kSource);
  demand(table && table->rows.size() == 1 && table->rows[0].values.size() == request->metrics.size(),
         "a row has a value or none for each metric");
  outrider::made(outrider::to_json(*table).dump());
  const std::string csv = outrider::to_csv(*table);
  demand(std::count(csv.begin(), csv.end(), '\n') == 2, "a header and a line a row");
  return 0;
}
