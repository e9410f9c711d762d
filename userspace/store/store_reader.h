// Reads history, in this process or another one, while the service writes. Owns its connection; not thread-safe (one
// reader a thread). Reading never blocks the writer and never changes the file. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/point.h"
#include "userspace/store/database.h"
#include "userspace/store/options.h"
#include "userspace/store/statement_texts.h"

namespace outrider {

/// What one answer has at most, so that it takes bounded memory and time.
inline constexpr std::int64_t kMaxHistorySteps = 11'000;

/// If a window has more than `max_steps` steps: one sentence, with the smallest step that fits (code EINVAL).
Status check_steps(std::int64_t window_ms, std::int64_t step_ms, std::int64_t max_steps = kMaxHistorySteps);

/// What is read of each point; the rest stays as in an empty one. Histograms and gauges are most of it.
struct PointParts {
  bool histograms = true;
  bool all_gauges = true;
  std::vector<std::string> gauges;  ///< those alone, unless `all_gauges`
};

struct HistoryQuery {
  std::string target;
  std::int64_t from_ms = 0, to_ms = 0;  ///< [from, to)
  std::int64_t step_ms = 0;             ///< 0: the window as one point
  /// Points get this type's figures only, and no gauges. Without it: totals and gauges.
  std::optional<std::string> type;
  bool all_types = false;  ///< without `type`: the figures of each type too
  PointParts parts = {};
};

struct History {
  /// The window that the points cover, and their distance: what was asked for, or rounded outward.
  std::int64_t from_ms = 0, to_ms = 0, step_ms = 0;
  bool rounded = false;
  std::int64_t resolution_ms = 0;  ///< of the tier that was read
  std::vector<Point> points;       ///< ascending; a step without readings has none
};

using VisitStep = std::function<void(const Point&)>;

class StoreReader {
 public:
  /// `options`: the path and the busy timeout. The tiers are those that the file was written with.
  static Result<StoreReader> open(const StoreOptions& options);

  /// See Database::set_limit().
  void set_limit(const std::function<bool()>* is_over) { database_.set_limit(is_over); }

  /// A window and a step that lie on a kept tier's grid are answered exactly, others rounded outward to the finest
  /// tier that reaches back far enough. An unknown target has no points.
  Result<History> history(const HistoryQuery& query);
  /// The same points, each handed to `visit` as soon as it is complete, and none kept: the answer has the window alone.
  Result<History> for_each_step(const HistoryQuery& query, const VisitStep& visit);
  /// The last point written, with all types; none for an unknown target.
  Result<std::optional<Point>> newest(const std::string& target);
  /// The finest points from `from_ms` on, with all types.
  Result<std::vector<Point>> recent(const std::string& target, std::int64_t from_ms);
  Result<std::vector<std::string>> targets();
  /// Those that have points in [from_ms, to_ms).
  Result<std::vector<std::string>> targets_in(std::int64_t from_ms, std::int64_t to_ms);
  Result<std::vector<std::string>> types(const std::string& target);
  /// What a type says that is a statement, and whose it is; none where that is not known.
  Result<std::optional<TypeText>> statement(const std::string& type);
  Result<std::optional<std::string>> state(const std::string& key);

 private:
  struct Segment {
    std::size_t tier = 0;
    std::int64_t from_ms = 0, to_ms = 0;
  };
  struct Selection {
    std::int64_t target = 0;
    std::vector<std::int64_t> types;   ///< 0 is the head
    std::vector<std::int64_t> gauges;  ///< unless all of them
    bool totals = true, all_gauges = true;
    bool all_types = false;
    bool histograms = true;
  };

  StoreReader(Database database, std::vector<std::int64_t> steps_ms);

  Result<History> read_window(const HistoryQuery& query, const VisitStep& visit);
  Status visit_steps(const std::vector<Segment>& parts, const Selection& selection, const History& window,
                     const VisitStep& visit);
  Result<Selection> select(const HistoryQuery& query);
  Status select_gauges(const PointParts& parts, Selection& selection);
  Result<bool> has_points(std::int64_t target, std::int64_t from_ms, std::int64_t to_ms);
  Result<std::optional<std::int64_t>> id_of(const std::string& name);
  std::string name_of(std::int64_t id);
  Result<std::vector<std::int64_t>> type_ids(std::int64_t target);
  Result<std::vector<std::int64_t>> first_points(std::int64_t target);
  Result<std::size_t> choose_tier(std::int64_t target, History& window);
  Result<std::vector<Segment>> segments(std::int64_t target, std::size_t tier, const History& window);
  Status read_segment(const Segment& segment, const Selection& selection, const History& window,
                      std::map<std::int64_t, Point>& points);
  Status add_rows(Statement& rows, const Selection& selection, const History& window,
                  std::map<std::int64_t, Point>& points);

  Database database_;
  bool has_statements_ = false, has_sessions_ = false;
  std::vector<std::int64_t> steps_ms_;  ///< of the tiers, finest first
  std::map<std::int64_t, std::string> names_;
};

}  // namespace outrider
