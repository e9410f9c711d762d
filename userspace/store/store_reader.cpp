#include "userspace/store/store_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <memory>
#include <utility>

#include "userspace/base/units.h"
#include "userspace/store/point_codec.h"
#include "userspace/store/schema.h"

namespace outrider {
namespace {

// So many steps are read before they are handed on: few enough to take little memory, enough for few queries.
constexpr std::int64_t kStepsAtOnce = 64;
// Beyond this many steps a rounded window is read from a coarser tier.
constexpr std::int64_t kMaxSteps = 10'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

Status check_query(const HistoryQuery& query) {
  if (query.from_ms >= query.to_ms) return Error{"the window ends before it begins; give a later end"};
  if (query.step_ms < 0) return Error{"the step is negative; give one above 0"};
  return query.step_ms > 0 ? check_steps(query.to_ms - query.from_ms, query.step_ms) : Ok{};
}

bool on_grid(const History& window, std::int64_t step_ms) {
  return window.from_ms % step_ms == 0 && window.to_ms % step_ms == 0 && window.step_ms % step_ms == 0;
}

}  // namespace

Status check_steps(std::int64_t window_ms, std::int64_t step_ms, std::int64_t max_steps) {
  const std::int64_t steps = window_ms / step_ms;
  if (steps <= max_steps) return Ok{};
  // A window that is widened to whole steps has two more. Whole minutes lie on the grid of a tier of minutes.
  constexpr std::int64_t kSecondMs = 1'000;
  constexpr std::int64_t kMinuteMs = 60'000;
  std::int64_t least = ceil_to_step(window_ms / (max_steps - 2) + 1, kSecondMs);
  if (least > kMinuteMs) least = ceil_to_step(least, kMinuteMs);
  return Error{
      fmt::format("that window has {} steps, and an answer at most {}: give a step of {} or more, or a shorter "
                  "window",
                  steps, max_steps, format_duration(std::chrono::milliseconds(least))),
      EINVAL};
}

StoreReader::StoreReader(Database database, std::vector<std::int64_t> steps_ms)
    : database_(std::move(database)), steps_ms_(std::move(steps_ms)) {}

Result<StoreReader> StoreReader::open(const StoreOptions& options) {
  auto database = open_for_reading(options.path, options.busy_timeout_ms);
  if (!database) return database.error();
  const auto steps = read_steps(*database);
  if (!steps) return steps.error();
  const auto version = database->number("PRAGMA user_version");
  if (!version) return version.error();
  StoreReader reader(std::move(*database), *steps);
  reader.has_statements_ = version->value_or(0) >= kFirstWithStatements;
  reader.has_sessions_ = version->value_or(0) >= kFirstWithSessions;
  return reader;
}

Result<std::optional<std::int64_t>> StoreReader::id_of(const std::string& name) {
  auto statement = database_.prepare("SELECT id FROM name WHERE text = ?1");
  if (!statement) return statement.error();
  const auto row = statement->bind(1, std::string_view(name)).step();
  if (!row) return row.error();
  return *row ? std::optional(statement->number(0)) : std::optional<std::int64_t>();
}

std::string StoreReader::name_of(std::int64_t id) {
  const auto found = names_.find(id);
  if (found != names_.end()) return found->second;
  auto statement = database_.prepare("SELECT text FROM name WHERE id = ?1");
  if (!statement) return {};
  const auto row = statement->bind(1, id).step();
  if (!row || !*row) return {};
  if (names_.size() >= kMostNames) names_.clear();
  return names_[id] = std::string(statement->bytes(0));
}

// Jumps from one type to the next in the index, where DISTINCT would read every row.
Result<std::vector<std::int64_t>> StoreReader::type_ids(std::int64_t target) {
  std::vector<std::int64_t> ids;
  for (std::size_t tier = 1; tier < steps_ms_.size(); ++tier) {
    auto next = database_.prepare("SELECT type FROM rolled WHERE tier = ?1 AND target = ?2 AND type > ?3 LIMIT 1");
    if (!next) return next.error();
    std::int64_t last = 0;
    while (true) {
      const auto row = next->bind(1, static_cast<std::int64_t>(tier)).bind(2, target).bind(3, last).step();
      if (!row) return row.error();
      if (!*row) break;
      ids.push_back(last = next->number(0));
      next->reset();
    }
  }
  auto rows = database_.prepare("SELECT DISTINCT type FROM recent WHERE target = ?1 AND type > 0");
  if (!rows) return rows.error();
  rows->bind(1, target);
  for (auto row = rows->step(); !row || *row; row = rows->step()) {
    if (!row) return row.error();
    ids.push_back(rows->number(0));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Result<StoreReader::Selection> StoreReader::select(const HistoryQuery& query) {
  Selection selection;
  const auto target = id_of(query.target);
  if (!target) return target.error();
  selection.target = target->value_or(-1);
  selection.types = {0};
  selection.histograms = query.parts.histograms;
  if (Status gauges = select_gauges(query.parts, selection); !gauges) return gauges.error();
  if (query.type) {
    selection.all_gauges = selection.totals = false;
    selection.gauges.clear();
    const auto type = id_of(*query.type);
    if (!type) return type.error();
    if (*type) selection.types.push_back(**type);
  } else if (query.all_types) {
    selection.all_types = true;
    const auto types = type_ids(selection.target);
    if (!types) return types.error();
    selection.types.insert(selection.types.end(), types->begin(), types->end());
  }
  return selection;
}

Status StoreReader::select_gauges(const PointParts& parts, Selection& selection) {
  selection.all_gauges = parts.all_gauges;
  if (parts.all_gauges) return Ok{};
  for (const std::string& name : parts.gauges) {
    const auto id = id_of(name);
    if (!id) return id.error();
    if (*id) selection.gauges.push_back(**id);
  }
  return Ok{};
}

// Per tier the oldest point of the target. A tier that has none yet is as old as the finer one that it is read from.
Result<std::vector<std::int64_t>> StoreReader::first_points(std::int64_t target) {
  std::vector<std::int64_t> first;
  for (std::size_t tier = 0; tier < steps_ms_.size(); ++tier) {
    auto statement = database_.prepare(
        tier == 0 ? "SELECT begin FROM recent WHERE target = ?1 ORDER BY begin LIMIT 1"
                  : "SELECT begin FROM rolled WHERE target = ?1 AND type = 0 AND tier = ?2 ORDER BY begin LIMIT 1");
    if (!statement) return statement.error();
    statement->bind(1, target);
    if (tier > 0) statement->bind(2, static_cast<std::int64_t>(tier));
    const auto row = statement->step();
    if (!row) return row.error();
    first.push_back(*row ? statement->number(0) : tier == 0 ? kNever : first.back());
  }
  return first;
}

// Rounds `window` where it must.
Result<std::size_t> StoreReader::choose_tier(std::int64_t target, History& window) {
  const auto first = first_points(target);
  if (!first) return first.error();
  const std::int64_t oldest = *std::min_element(first->begin(), first->end());
  const auto reaches = [&](std::size_t tier) {
    if (oldest == kNever) return true;
    return first->at(tier) <= std::max(window.from_ms, oldest + steps_ms_.back() - 1);
  };
  for (std::size_t tier = steps_ms_.size(); tier-- > 0;) {
    if (on_grid(window, steps_ms_[tier]) && reaches(tier)) return tier;
  }
  std::size_t tier = 0;
  const std::size_t last = steps_ms_.size() - 1;
  const std::int64_t length = window.to_ms - window.from_ms;
  while (tier < last && (!reaches(tier) || length / steps_ms_[tier] > kMaxSteps)) ++tier;
  const std::int64_t grid = steps_ms_[tier];
  window.from_ms = floor_to_step(window.from_ms, grid);
  window.to_ms = ceil_to_step(window.to_ms, grid);
  window.step_ms = ceil_to_step(window.step_ms, grid);
  window.rounded = true;
  return tier;
}

// A tier holds what is rolled up; the steps after that are still in the finer ones.
Result<std::vector<StoreReader::Segment>> StoreReader::segments(std::int64_t target, std::size_t tier,
                                                                const History& window) {
  std::vector<Segment> result;
  const auto rolled = read_rolled_until(database_);
  if (!rolled) return rolled.error();
  std::int64_t from = window.from_ms;
  for (; tier > 0 && from < window.to_ms; --tier) {
    auto last = database_.prepare(
        "SELECT begin FROM rolled WHERE tier = ?1 AND target = ?2 AND type = 0 ORDER BY begin DESC LIMIT 1");
    if (!last) return last.error();
    const auto row = last->bind(1, static_cast<std::int64_t>(tier)).bind(2, target).step();
    if (!row) return row.error();
    if (!*row) continue;
    const std::int64_t until = rolled->size() < tier ? last->number(0) + steps_ms_[tier] : rolled->at(tier - 1);
    const std::int64_t end = std::min(window.to_ms, until);
    if (end <= from) continue;
    result.push_back({tier, from, end});
    from = end;
  }
  if (from < window.to_ms) result.push_back({0, from, window.to_ms});
  return result;
}

Status StoreReader::add_rows(Statement& rows, const Selection& selection, const History& window,
                             std::map<std::int64_t, Point>& points) {
  NameOf name = [&](std::int64_t id) {
    const std::vector<std::int64_t>& wanted = selection.gauges;
    const bool known = selection.all_gauges || std::find(wanted.begin(), wanted.end(), id) != wanted.end();
    return known ? name_of(id) : std::string();
  };
  if (!selection.all_gauges && selection.gauges.empty()) name = nullptr;
  // Of the head of one type's step only the times are wanted.
  const bool head_histogram = selection.histograms && selection.totals;
  for (auto row = rows.step(); !row || *row; row = rows.step()) {
    if (!row) return row.error();
    const std::int64_t index = (rows.number(0) - window.from_ms) / window.step_ms;
    const std::int64_t type = rows.number(1);
    Point step;
    const bool sound = type == 0 ? decode_head(rows.bytes(2), name, step, head_histogram)
                                 : decode_type(rows.bytes(2), step.types[name_of(type)], selection.histograms);
    // One bad row is not worth the whole answer, but it must not be taken for a quiet step either.
    if (!sound) {
      return Error{fmt::format("the store has a row that cannot be decoded, at {} ms; ask for a window without it",
                               rows.number(0))};
    }
    if (!selection.totals) step.total = {};
    merge(points[index], step);
  }
  rows.reset();
  return Ok{};
}

Status StoreReader::read_segment(const Segment& segment, const Selection& selection, const History& window,
                                 std::map<std::int64_t, Point>& points) {
  if (segment.tier == 0 && selection.all_types) {
    auto rows =
        database_.prepare("SELECT begin, type, body FROM recent WHERE target = ?1 AND begin >= ?2 AND begin < ?3");
    if (!rows) return rows.error();
    rows->bind(1, selection.target).bind(2, segment.from_ms).bind(3, segment.to_ms);
    return add_rows(*rows, selection, window, points);
  }
  auto rows = database_.prepare(
      segment.tier == 0
          ? "SELECT begin, type, body FROM recent WHERE target = ?1 AND begin >= ?2 AND begin < ?3 AND type = ?4"
          : "SELECT begin, type, body FROM rolled WHERE tier = ?5 AND target = ?1 AND type = ?4 AND begin >= ?2 "
            "AND begin < ?3");
  if (!rows) return rows.error();
  for (const std::int64_t type : selection.types) {
    rows->bind(1, selection.target).bind(2, segment.from_ms).bind(3, segment.to_ms).bind(4, type);
    if (segment.tier > 0) rows->bind(5, static_cast<std::int64_t>(segment.tier));
    if (Status added = add_rows(*rows, selection, window, points); !added) return added;
  }
  return Ok{};
}

Result<History> StoreReader::read_window(const HistoryQuery& query, const VisitStep& visit) {
  History history;
  history.from_ms = query.from_ms;
  history.to_ms = query.to_ms;
  history.step_ms = query.step_ms > 0 ? query.step_ms : query.to_ms - query.from_ms;
  const auto selection = select(query);
  if (!selection) return selection.error();
  const auto tier = choose_tier(selection->target, history);
  if (!tier) return tier.error();
  if (query.step_ms == 0) history.step_ms = history.to_ms - history.from_ms;
  history.resolution_ms = steps_ms_[*tier];
  const auto parts = segments(selection->target, *tier, history);
  if (!parts) return parts.error();
  if (Status read = visit_steps(*parts, *selection, history, visit); !read) return read.error();
  return history;
}

Status StoreReader::visit_steps(const std::vector<Segment>& parts, const Selection& selection, const History& window,
                                const VisitStep& visit) {
  const std::int64_t all = (window.to_ms - window.from_ms) / window.step_ms + 1;
  const std::int64_t span = std::min(kStepsAtOnce, all) * window.step_ms;
  for (std::int64_t begin = window.from_ms; begin < window.to_ms; begin += span) {
    const std::int64_t end = std::min(begin + span, window.to_ms);
    std::map<std::int64_t, Point> points;
    for (const Segment& part : parts) {
      const Segment piece{part.tier, std::max(part.from_ms, begin), std::min(part.to_ms, end)};
      if (piece.from_ms >= piece.to_ms) continue;
      if (Status read = read_segment(piece, selection, window, points); !read) return read;
    }
    for (auto& [index, point] : points) {
      point.begin_ms = window.from_ms + index * window.step_ms;
      point.length_ms = std::min(window.step_ms, window.to_ms - point.begin_ms);
      visit(point);
    }
  }
  return Ok{};
}

Result<History> StoreReader::for_each_step(const HistoryQuery& query, const VisitStep& visit) {
  if (Status sound = check_query(query); !sound) return sound.error();
  // One transaction, so that a roll-up between two look-ups neither hides a step nor shows it twice.
  if (Status begun = database_.execute("BEGIN"); !begun) return begun.error();
  Result<History> result = read_window(query, visit);
  (void)database_.execute("COMMIT");
  return result;
}

Result<History> StoreReader::history(const HistoryQuery& query) {
  std::vector<Point> points;
  Result<History> result = for_each_step(query, [&](const Point& point) { points.push_back(point); });
  if (result) result->points = std::move(points);
  return result;
}

Result<std::optional<Point>> StoreReader::newest(const std::string& target) {
  const auto id = id_of(target);
  if (!id) return id.error();
  if (!*id) return std::optional<Point>();
  const auto begin =
      database_.number(fmt::format("SELECT begin FROM recent WHERE target = {} ORDER BY begin DESC LIMIT 1", **id));
  if (!begin) return begin.error();
  if (!*begin) return std::optional<Point>();
  const auto points = recent(target, **begin);
  if (!points) return points.error();
  return points->empty() ? std::optional<Point>() : std::optional(points->back());
}

Result<std::vector<Point>> StoreReader::recent(const std::string& target, std::int64_t from_ms) {
  const std::int64_t step = steps_ms_.front();
  Selection selection;
  selection.all_types = true;
  const auto id = id_of(target);
  if (!id) return id.error();
  selection.target = id->value_or(-1);
  History window;
  window.from_ms = floor_to_step(from_ms, step);
  window.step_ms = step;
  std::map<std::int64_t, Point> steps;
  if (Status read = read_segment({0, window.from_ms, kNever}, selection, window, steps); !read) return read.error();
  std::vector<Point> points;
  for (auto& [index, point] : steps) {
    point.begin_ms = window.from_ms + index * step;
    point.length_ms = step;
    points.push_back(std::move(point));
  }
  return points;
}

Result<std::vector<std::string>> StoreReader::targets() {
  std::vector<std::string> names;
  for (std::size_t tier = 0; tier < steps_ms_.size(); ++tier) {
    const std::string table = tier == 0 ? "recent WHERE" : fmt::format("rolled WHERE tier = {} AND", tier);
    auto next = database_.prepare("SELECT target FROM " + table + " target > ?1 ORDER BY target LIMIT 1");
    if (!next) return next.error();
    std::int64_t last = 0;
    while (true) {
      const auto row = next->bind(1, last).step();
      if (!row) return row.error();
      if (!*row) break;
      last = next->number(0);
      next->reset();
      names.push_back(name_of(last));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<bool> StoreReader::has_points(std::int64_t target, std::int64_t from_ms, std::int64_t to_ms) {
  for (std::size_t tier = 0; tier < steps_ms_.size(); ++tier) {
    const std::string table = tier == 0 ? "recent WHERE" : fmt::format("rolled WHERE tier = {} AND type = 0 AND", tier);
    auto row = database_.prepare("SELECT begin FROM " + table + " target = ?1 AND begin > ?2 AND begin < ?3 LIMIT 1");
    if (!row) return row.error();
    // A step that began before the window reaches into it.
    auto found = row->bind(1, target).bind(2, from_ms - steps_ms_[tier]).bind(3, to_ms).step();
    if (!found || *found) return found;
  }
  return false;
}

Result<std::vector<std::string>> StoreReader::targets_in(std::int64_t from_ms, std::int64_t to_ms) {
  auto names = targets();
  if (!names) return names;
  std::vector<std::string> result;
  for (std::string& name : *names) {
    const auto id = id_of(name);
    if (!id) return id.error();
    const auto has = has_points(id->value_or(-1), from_ms, to_ms);
    if (!has) return has.error();
    if (*has) result.push_back(std::move(name));
  }
  return result;
}

Result<std::vector<std::string>> StoreReader::types(const std::string& target) {
  const auto id = id_of(target);
  if (!id) return id.error();
  const auto ids = type_ids(id->value_or(-1));
  if (!ids) return ids.error();
  std::vector<std::string> names;
  for (const std::int64_t type : *ids) names.push_back(name_of(type));
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<TypeText>> StoreReader::statement(const std::string& type) {
  if (!has_statements_) return std::optional<TypeText>();
  auto statement = database_.prepare(
      fmt::format("SELECT statement.text{} FROM statement JOIN name USING(id) WHERE name.text = ?1 AND statement.text "
                  "<> ''",
                  has_sessions_ ? ", database, user" : ", '', ''"));
  if (!statement) return statement.error();
  const auto row = statement->bind(1, std::string_view(type)).step();
  if (!row) return row.error();
  if (!*row) return std::optional<TypeText>();
  TypeText found{std::make_shared<const std::string>(statement->bytes(0)), nullptr};
  ClientSession session{std::string(statement->bytes(1)), std::string(statement->bytes(2)), {}};
  if (!session_words(session).empty()) found.session = std::make_shared<const ClientSession>(std::move(session));
  return std::optional(std::move(found));
}

Result<std::optional<std::string>> StoreReader::state(const std::string& key) {
  auto statement = database_.prepare("SELECT value FROM state WHERE key = ?1");
  if (!statement) return statement.error();
  const auto row = statement->bind(1, std::string_view(key)).step();
  if (!row) return row.error();
  return *row ? std::optional(std::string(statement->bytes(0))) : std::optional<std::string>();
}

}  // namespace outrider
