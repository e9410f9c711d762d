#include "userspace/store/history_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "userspace/store/point_codec.h"
#include "userspace/store/schema.h"

namespace outrider {
namespace {

constexpr std::int64_t kLogBytes = 8 << 20;  ///< what the write-ahead log may take
// Above this nothing is written before the log is empty: the rest of its share is room for one transaction.
constexpr std::int64_t kLogFullBytes = 6 << 20;
// Trimming begins and ends at these parts of the limit.
constexpr std::int64_t kFullPercent = 95, kRoomyPercent = 85;
// What one transaction may forget: more would go through the write-ahead log at once and could not keep to its share.
constexpr std::int64_t kForgetBytes = 2 << 20;
constexpr int kForgetSteps = 64;

// Texts of statements take at most a share of the file.
constexpr std::int64_t kMostTexts = 100'000, kTextsShare = 8, kTextBytes = 1'100;
constexpr std::int64_t kDayMs = 86'400'000;

constexpr const char* kForgottenKey = "store.forgotten";
constexpr const char* kCleanedKey = "store.cleaned";

// The first error of a sequence of statements that cannot go on after one.
#define OUTRIDER_TRY(expression) \
  if (Status done = (expression); !done) return done

// What the points take in the file, roughly: a bucket is two or three bytes, pages are not full, and there is more than
// one tier.
std::int64_t bytes_of(const std::vector<TargetPoint>& points) {
  std::size_t bytes = 0;
  for (const TargetPoint& entry : points) {
    bytes += 1'000;
    for (const auto& [name, type] : entry.point->types) bytes += 100 + 6 * type.histogram.size();
    for (const auto& [name, text] : entry.texts) bytes += text.text->size();
  }
  return static_cast<std::int64_t>(bytes);
}

}  // namespace

HistoryWriter::HistoryWriter(WritableFile file, StoreOptions options)
    : lock_(std::move(file.lock)), database_(std::move(file.database)), options_(std::move(options)) {}

std::int64_t HistoryWriter::limit_bytes() const {
  return std::max(options_.max_bytes - kLogBytes, options_.max_bytes / 2);
}

Result<HistoryWriter> HistoryWriter::open(const StoreOptions& options) {
  auto file = open_for_writing(options);
  if (!file) return file.error();
  HistoryWriter writer(std::move(*file), options);
  if (Status prepared = writer.prepare(); !prepared) return prepared.error();
  if (Status found = writer.find_open_steps(); !found) return found.error();
  auto files = HeldFiles::look(options.path, writer.database_, writer.lock_);
  if (!files) return files.error();
  writer.files_ = *std::move(files);
  return writer;
}

// A database that was only moved is whole then, without the log that stays behind; but for what came after somebody
// began to read it who still does.
void HistoryWriter::leave() {
  (void)database_.number("PRAGMA wal_checkpoint(TRUNCATE)");
  files_.remove_stale_log();
}

Status HistoryWriter::prepare() {
  OUTRIDER_TRY(page_limit_.prepare(database_, options_.path, limit_bytes()));
  const std::pair<Statement*, const char*> statements[] = {
      {&load_, "SELECT type, body FROM recent WHERE target = ?1 AND begin >= ?2 AND begin < ?3"},
      {&save_recent_, "INSERT OR REPLACE INTO recent(target, begin, type, body) VALUES(?1, ?2, ?3, ?4)"},
      {&save_rolled_, "INSERT OR REPLACE INTO rolled(target, begin, type, body, tier) VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&add_name_, "INSERT INTO name(text) VALUES(?1)"},
      {&find_id_, "SELECT id FROM name WHERE text = ?1"},
      {&find_name_, "SELECT text FROM name WHERE id = ?1"},
      {&put_state_, "INSERT OR REPLACE INTO state(key, value) VALUES(?1, ?2)"},
      {&forget_recent_, "DELETE FROM recent WHERE target = ?1 AND begin < ?2"},
      {&forget_rolled_, "DELETE FROM rolled WHERE tier = ?1 AND target = ?2 AND type = ?3 AND begin < ?4"},
      {&next_type_, "SELECT type FROM rolled WHERE tier = ?1 AND target = ?2 AND type > ?3 ORDER BY type LIMIT 1"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = database_.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  const std::int64_t most_texts = std::min(kMostTexts, limit_bytes() / kTextsShare / kTextBytes);
  OUTRIDER_TRY(texts_.prepare(database_, static_cast<std::size_t>(most_texts)));
  const auto stored = [&](const char* key) {
    return database_.number(fmt::format("SELECT CAST(value AS INTEGER) FROM state WHERE key = '{}'", key));
  };
  const auto forgotten = stored(kForgottenKey);
  if (!forgotten) return forgotten.error();
  forgotten_until_ms_ = forgotten->value_or(0);
  const auto cleaned = stored(kCleanedKey);
  if (!cleaned) return cleaned.error();
  clock_ = TrustedClock(*cleaned);
  auto rolled = read_rolled_until(database_);
  if (!rolled) return rolled.error();
  rolled_until_ = std::move(*rolled);
  rolled_until_.resize(options_.tiers.size() - 1);
  return Ok{};
}

Result<std::vector<std::int64_t>> HistoryWriter::target_ids() {
  std::set<std::int64_t> ids;
  for (std::size_t tier = 0; tier < options_.tiers.size(); ++tier) {
    const std::string table = tier == 0 ? "recent WHERE" : fmt::format("rolled WHERE tier = {} AND", tier);
    std::int64_t last = 0;
    while (true) {
      const auto next =
          database_.number(fmt::format("SELECT target FROM {} target > {} ORDER BY target LIMIT 1", table, last));
      if (!next) return next.error();
      if (!*next) break;
      ids.insert(last = **next);
    }
  }
  return std::vector<std::int64_t>(ids.begin(), ids.end());
}

// What was not yet rolled up when the file was last closed, or its writer killed.
Status HistoryWriter::find_open_steps() {
  const auto targets = target_ids();
  if (!targets) return targets.error();
  for (const std::int64_t target : *targets) {
    for (std::size_t tier = 1; tier < options_.tiers.size(); ++tier) {
      // Not by the newest step that is rolled up: while the clock was wrong, some of the future may have been.
      const std::int64_t step = options_.tiers[tier].step_ms;
      const std::int64_t from = std::max(rolled_until_[tier - 1], forgotten_until_ms_);
      auto rows = database_.prepare(
          fmt::format("SELECT begin FROM recent WHERE target = {} AND begin >= {} AND type = 0", target, from));
      if (!rows) return rows.error();
      for (auto row = rows->step(); !row || *row; row = rows->step()) {
        if (!row) return row.error();
        open_steps_.insert({tier, target, floor_to_step(rows->number(0), step)});
      }
    }
  }
  return Ok{};
}

Result<std::int64_t> HistoryWriter::id_of(const std::string& name) {
  const auto known = ids_.find(name);
  if (known != ids_.end()) return known->second;
  if (ids_.size() >= kMostNames) ids_.clear();
  if (names_.size() >= kMostNames) names_.clear();
  const auto row = find_id_.bind(1, std::string_view(name)).step();
  std::int64_t id = row && *row ? find_id_.number(0) : 0;
  find_id_.reset();
  if (!row) return row.error();
  if (id == 0) {
    if (Status added = add_name_.bind(1, std::string_view(name)).run(); !added) return added.error();
    id = database_.last_row();
  }
  names_[id] = name;
  return ids_[name] = id;
}

std::string HistoryWriter::name_of(std::int64_t id) {
  const auto known = names_.find(id);
  if (known != names_.end()) return known->second;
  const auto row = find_name_.bind(1, id).step();
  std::string name = row && *row ? std::string(find_name_.bytes(0)) : std::string();
  find_name_.reset();
  if (names_.size() >= kMostNames) names_.clear();
  if (!name.empty()) names_[id] = name;
  return name;
}

Status HistoryWriter::load(std::int64_t target, std::int64_t from_ms, std::int64_t to_ms, Point& point, bool& found) {
  load_.bind(1, target).bind(2, from_ms).bind(3, to_ms);
  auto row = load_.step();
  for (; row && *row; row = load_.step()) {
    const std::int64_t type = load_.number(0);
    Point step;
    const bool sound = type == 0 ? decode_head(
                                       load_.bytes(1), [this](std::int64_t id) { return name_of(id); }, step)
                                 : decode_type(load_.bytes(1), step.types[name_of(type)]);
    // A row that cannot be decoded is lost already; the steps around it are not.
    if (sound) merge(point, step);
    found = true;
  }
  load_.reset();
  if (!row) return row.error();
  return Ok{};
}

Status HistoryWriter::save(std::size_t tier, std::int64_t target, std::int64_t begin_ms, const Point& point) {
  std::optional<Error> failed;
  const auto id = [&](const std::string& name) {
    const auto found = id_of(name);
    if (!found) failed = found.error();
    return found ? *found : 0;
  };
  Statement& statement = tier == 0 ? save_recent_ : save_rolled_;
  const auto save_row = [&](std::int64_t type, const std::string& body) {
    if (tier > 0) statement.bind(5, static_cast<std::int64_t>(tier));
    return statement.bind(1, target).bind(2, begin_ms).bind(3, type).bind_blob(4, body).run();
  };
  std::string body;
  encode_head(point, id, body);
  if (failed) return *failed;
  OUTRIDER_TRY(save_row(0, body));
  for (const auto& [name, type] : point.types) {
    body.clear();
    encode_type(type, body);
    const std::int64_t type_id = id(name);
    if (failed) return *failed;
    OUTRIDER_TRY(save_row(type_id, body));
  }
  return Ok{};
}

Status HistoryWriter::add(const TargetPoint& entry, std::int64_t now_ms, std::int64_t trusted_ms) {
  const std::int64_t begin = floor_to_step(entry.point->begin_ms, options_.tiers.front().step_ms);
  // Its neighbours in the coarser steps are gone: rolled up again, the step would shrink to this point.
  if (begin < forgotten_until_ms_ && forgotten_until_ms_ <= now_ms) {
    ++late_;
    return Ok{};
  }
  const auto target = id_of(entry.target);
  if (!target) return target.error();
  Point merged = *entry.point;
  bool found = false;
  OUTRIDER_TRY(load(*target, begin, begin + 1, merged, found));
  OUTRIDER_TRY(save(0, *target, begin, found ? merged : *entry.point));
  for (const auto& [name, type] : entry.point->types) {
    const auto id = id_of(name);
    if (!id) return id.error();
    const auto text = entry.texts.find(name);
    OUTRIDER_TRY(texts_.note(*id, text == entry.texts.end() ? nullptr : &text->second, trusted_ms));
  }
  for (std::size_t tier = 1; tier < options_.tiers.size(); ++tier) {
    open_steps_.insert({tier, *target, floor_to_step(begin, options_.tiers[tier].step_ms)});
  }
  return Ok{};
}

// Always from the finest points, so that doing it again for a step that grew gives the right answer.
Status HistoryWriter::roll_up(std::int64_t now_ms) {
  for (auto step = open_steps_.begin(); step != open_steps_.end();) {
    const auto [tier, target, begin] = *step;
    const std::int64_t end = begin + options_.tiers[tier].step_ms;
    if (end + grace_ms() > now_ms) {
      ++step;
      continue;
    }
    Point point;
    bool found = false;
    OUTRIDER_TRY(load(target, begin, end, point, found));
    if (found) OUTRIDER_TRY(save(tier, target, begin, point));
    step = open_steps_.erase(step);
  }
  return Ok{};
}

// Readers take newer steps from the finer points, whatever the coarser tiers hold of them: a step that is still open
// may have been rolled up before, while the clock was ahead.
Status HistoryWriter::put_rolled(std::int64_t now_ms) {
  std::vector<std::int64_t> until;
  for (std::size_t tier = 1; tier < options_.tiers.size(); ++tier) {
    until.push_back(floor_to_step(now_ms - grace_ms(), options_.tiers[tier].step_ms));
  }
  for (const auto& [tier, target, begin] : open_steps_) until[tier - 1] = std::min(until[tier - 1], begin);
  if (until == rolled_until_) return Ok{};
  rolled_until_ = std::move(until);
  const std::string text = fmt::format("{}", fmt::join(rolled_until_, ","));
  return put_state_.bind(1, std::string_view(kRolledKey)).bind_blob(2, text).run();
}

Status HistoryWriter::put_number(const char* key, std::int64_t value) {
  return put_state_.bind(1, std::string_view(key)).bind_blob(2, std::to_string(value)).run();
}

Status HistoryWriter::forget_types(std::size_t tier, std::int64_t target, std::int64_t before_ms) {
  const auto number = static_cast<std::int64_t>(tier);
  for (std::optional<std::int64_t> type = 0; type;) {
    OUTRIDER_TRY(forget_rolled_.bind(1, number).bind(2, target).bind(3, *type).bind(4, before_ms).run());
    const auto row = next_type_.bind(1, number).bind(2, target).bind(3, *type).step();
    type = row && *row ? std::optional(next_type_.number(0)) : std::nullopt;
    next_type_.reset();
    if (!row) return row.error();
  }
  return Ok{};
}

Status HistoryWriter::forget(std::size_t tier, std::int64_t before_ms) {
  const auto targets = target_ids();
  if (!targets) return targets.error();
  for (const std::int64_t target : *targets) {
    OUTRIDER_TRY(tier == 0 ? forget_recent_.bind(1, target).bind(2, before_ms).run()
                           : forget_types(tier, target, before_ms));
  }
  return tier == 0 ? put_forgotten(std::max(before_ms, forgotten_until_ms_)) : Ok{};
}

Status HistoryWriter::put_forgotten(std::int64_t until_ms) {
  forgotten_until_ms_ = until_ms;
  return put_number(kForgottenKey, until_ms);
}

// Forgets what a tier holds from before a mark of the coarsest grid, one coarse step after the other. False: not all of
// it, because `room` is used up, or `used` has come down to `enough`.
Result<bool> HistoryWriter::forget_until(std::size_t tier, std::int64_t before_ms, Forgetting& room) {
  while (true) {
    const auto oldest = oldest_point(tier);
    if (!oldest) return oldest.error();
    if (!*oldest || **oldest >= before_ms) return true;
    if (room.steps-- <= 0 || room.used <= room.enough) return false;
    const std::int64_t end = floor_to_step(**oldest, coarsest_ms()) + coarsest_ms();
    if (Status forgotten = forget(tier, std::min(before_ms, end)); !forgotten) return forgotten.error();
    const auto used = used_bytes();
    if (!used) return used.error();
    room.used = *used;
  }
}

bool HistoryWriter::is_cleaning_due(std::int64_t now_ms) const {
  return std::abs(now_ms - last_cleaning_ms_) >= coarsest_ms();
}

Status HistoryWriter::forget_old(std::int64_t now_ms) {
  const auto used = used_bytes();
  if (!used) return used.error();
  Forgetting room{*used, *used - kForgetBytes, kForgetSteps};
  for (std::size_t tier = 0; tier < options_.tiers.size(); ++tier) {
    const std::int64_t before = floor_to_step(now_ms - options_.tiers[tier].keep_ms, coarsest_ms());
    const auto all = forget_until(tier, before, room);
    if (!all) return all.error();
    if (!*all) return Ok{};  // the next write goes on with it
    if (tier == 0) OUTRIDER_TRY(put_forgotten(std::max(before, std::min(forgotten_until_ms_, now_ms))));
  }
  last_cleaning_ms_ = now_ms;
  names_looked_at_ = false;
  return put_number(kCleanedKey, now_ms);
}

Result<std::int64_t> HistoryWriter::used_bytes() const {
  const auto pages = database_.number("PRAGMA page_count");
  if (!pages) return pages.error();
  const auto spare = database_.number("PRAGMA freelist_count");
  if (!spare) return spare.error();
  return (pages->value_or(0) - spare->value_or(0)) * PageLimit::kPageBytes;
}

// The oldest point of any target; by the index, which a plain min(begin) could not use.
Result<std::optional<std::int64_t>> HistoryWriter::oldest_point(std::size_t tier) {
  const auto targets = target_ids();
  if (!targets) return targets.error();
  std::optional<std::int64_t> oldest;
  for (const std::int64_t target : *targets) {
    const std::string where = tier == 0
                                  ? fmt::format("recent WHERE target = {}", target)
                                  : fmt::format("rolled WHERE tier = {} AND target = {} AND type = 0", tier, target);
    const auto begin = database_.number("SELECT begin FROM " + where + " ORDER BY begin LIMIT 1");
    if (!begin) return begin.error();
    if (*begin) oldest = std::min(**begin, oldest.value_or(**begin));
  }
  return oldest;
}

// What comes from before this may be taken from a tier in one round of trimming. In the first round a tier keeps as
// long as the next finer one should, so that only what is oldest goes: a month of minutes shrinks to a day before a day
// of ten seconds is touched. Each later round takes a tier further, and never below a finer one: the tiers stay nested,
// so that a window which a tier reaches back to has no hole in it.
std::int64_t HistoryWriter::trimmed_until(std::size_t tier, std::size_t round, std::int64_t now_ms) const {
  // Of the newest points the coarser steps are still to be made.
  const std::int64_t keep = tier > round ? options_.tiers[tier - round - 1].keep_ms : 2 * coarsest_ms();
  return floor_to_step(now_ms - keep, coarsest_ms());
}

// `more`: the bytes that are about to be written. After a pause that may be more than what is free between two trims.
Status HistoryWriter::trim(std::int64_t now_ms, std::int64_t more) {
  const auto used = used_bytes();
  if (!used) return used.error();
  const std::int64_t full = limit_bytes() / 100 * kFullPercent - more;
  if (*used <= full) return Ok{};
  ++trims_;
  const std::int64_t roomy = std::min(full, limit_bytes() / 100 * kRoomyPercent);
  Forgetting room{*used, std::max(roomy, *used - kForgetBytes - more), kForgetSteps};
  for (std::size_t round = 0; round < options_.tiers.size(); ++round) {
    for (std::size_t tier = options_.tiers.size(); tier-- > round;) {
      const auto all = forget_until(tier, trimmed_until(tier, round, now_ms), room);
      if (!all) return all.error();
      if (!*all) return Ok{};
    }
  }
  return Ok{};
}

Status HistoryWriter::write_all(const std::vector<TargetPoint>& points, const std::map<std::string, std::string>& state,
                                const Moment& now) {
  const std::int64_t trusted_ms = clock_.read(now);
  // First make room: what comes may be what no longer fits.
  OUTRIDER_TRY(trim(trusted_ms, bytes_of(points)));
  for (const TargetPoint& entry : points) OUTRIDER_TRY(add(entry, now.unix_ms, trusted_ms));
  for (const auto& [key, value] : state) {
    OUTRIDER_TRY(put_state_.bind(1, std::string_view(key)).bind_blob(2, value).run());
  }
  OUTRIDER_TRY(roll_up(now.unix_ms));
  if (options_.tiers.size() > 1) OUTRIDER_TRY(put_rolled(now.unix_ms));
  // Not both at once: what one transaction may change is bounded.
  if (is_cleaning_due(trusted_ms)) return forget_old(trusted_ms);
  return names_looked_at_ ? Ok{} : forget_names(trusted_ms);
}

// Names of statements that no point bears any more: an application may have thousands of new ones an hour. One is noted
// once a day.
Status HistoryWriter::forget_names(std::int64_t trusted_ms) {
  const auto targets = target_ids();
  if (!targets) return targets.error();
  bool gone = false;
  const std::int64_t before = trusted_ms - options_.tiers.front().keep_ms - 2 * kDayMs;
  const auto all = texts_.forget(options_.tiers.size() - 1, *targets, before, gone);
  if (!all) return all.error();
  names_looked_at_ = *all;
  if (gone) {
    ids_.clear();
    names_.clear();
  }
  return Ok{};
}

// SQLite puts the log into the database by itself, but no further than the oldest reader looks, and appends to it for
// as long as one does. The cap is for both together, so that it ends here.
Status HistoryWriter::bound_log() {
  if (log_bytes(options_.path) <= kLogFullBytes) return Ok{};
  const auto busy = database_.number("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!busy) return busy.error();
  const std::int64_t left = log_bytes(options_.path);
  if (left <= kLogFullBytes) return Ok{};
  return Error{
      fmt::format("the store {0} cannot be written: another process reads it and holds its log, which has grown "
                  "to {1} MiB; end that reading (fuser {0} says whose it is)",
                  options_.path, left >> 20),
      SQLITE_BUSY};
}

Status HistoryWriter::write(const std::vector<TargetPoint>& points, const std::map<std::string, std::string>& state,
                            const Moment& now) {
  OUTRIDER_TRY(files_.check());
  OUTRIDER_TRY(bound_log());
  // Not after the commit: an error then would have the same points written once more.
  OUTRIDER_TRY(page_limit_.shrink(database_));
  OUTRIDER_TRY(bound_log());
  OUTRIDER_TRY(database_.execute("BEGIN IMMEDIATE"));
  const auto before = std::tuple(open_steps_, rolled_until_, forgotten_until_ms_, last_cleaning_ms_, late_, trims_);
  Status done = write_all(points, state, now);
  if (done) done = database_.execute("COMMIT");
  if (done) return done;
  (void)database_.execute("ROLLBACK");
  std::tie(open_steps_, rolled_until_, forgotten_until_ms_, last_cleaning_ms_, late_, trims_) = before;
  // Names that were given in the transaction are gone with it.
  ids_.clear();
  names_.clear();
  texts_.roll_back();
  return done;
}

}  // namespace outrider
