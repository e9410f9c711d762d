#include "userspace/store/statement_texts.h"

#include <utility>

namespace outrider {
namespace {

constexpr std::int64_t kNoteEveryMs = 86'400'000;
constexpr std::size_t kMostNoted = 10'000;
constexpr int kLookedAtOnce = 512;

}  // namespace

Status StatementTexts::prepare(const Database& database, std::size_t most) {
  most_ = most;
  const std::pair<Statement*, const char*> statements[] = {
      {&add_,
       "INSERT INTO statement(id, text, noted, database, user) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id) DO UPDATE "
       "SET noted = excluded.noted, text = CASE text WHEN '' THEN excluded.text ELSE text END, "
       "database = excluded.database, user = excluded.user"},
      {&note_, "UPDATE statement SET noted = ?2 WHERE id = ?1"},
      {&count_, "SELECT count(*) FROM statement WHERE text <> ''"},
      {&next_, "SELECT id FROM statement WHERE id > ?1 AND noted < ?2 ORDER BY id LIMIT ?3"},
      {&find_point_, "SELECT 1 FROM rolled WHERE tier = ?1 AND target = ?2 AND type = ?3 LIMIT 1"},
      {&forget_text_, "DELETE FROM statement WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM name WHERE name.id = ?1)"},
      // The highest number stays taken: readers remember which name it stood for.
      {&forget_name_, "DELETE FROM name WHERE id = ?1 AND id < (SELECT max(id) FROM name)"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = database.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  return count();
}

Status StatementTexts::count() {
  const auto row = count_.step();
  texts_ = row && *row ? static_cast<std::size_t>(count_.number(0)) : 0;
  count_.reset();
  if (!row) return row.error();
  return Ok{};
}

Status StatementTexts::note(std::int64_t type, const TypeText* text, std::int64_t now_ms) {
  const auto known = noted_.find(type);
  if (known != noted_.end() && (text == nullptr || known->second.with_text)) {
    const std::int64_t age_ms = now_ms - known->second.at_ms;
    if (age_ms >= 0 && age_ms < kNoteEveryMs) return Ok{};
  }
  if (noted_.size() >= kMostNoted) noted_.clear();
  noted_[type] = {now_ms, text != nullptr};
  if (text == nullptr) return note_.bind(1, type).bind(2, now_ms).run();
  const bool room = texts_ < most_;
  if (room) ++texts_;  // one too many where it is there already, until they are counted again
  const ClientSession session = text->session ? *text->session : ClientSession{};
  return add_.bind(1, type)
      .bind(2, room ? std::string_view(*text->text) : "")
      .bind(3, now_ms)
      .bind(4, std::string_view(session.database))
      .bind(5, std::string_view(session.user))
      .run();
}

Result<bool> StatementTexts::has_points(std::size_t tiers, const std::vector<std::int64_t>& targets,
                                        std::int64_t type) {
  for (std::size_t tier = 1; tier <= tiers; ++tier) {
    for (const std::int64_t target : targets) {
      auto row = find_point_.bind(1, static_cast<std::int64_t>(tier)).bind(2, target).bind(3, type).step();
      find_point_.reset();
      if (!row || *row) return row;
    }
  }
  return false;
}

Result<bool> StatementTexts::forget(std::size_t tiers, const std::vector<std::int64_t>& targets, std::int64_t before_ms,
                                    bool& forgot) {
  std::vector<std::int64_t> found;
  next_.bind(1, looked_at_).bind(2, before_ms).bind(3, std::int64_t{kLookedAtOnce});
  auto row = next_.step();
  for (; row && *row; row = next_.step()) found.push_back(next_.number(0));
  next_.reset();
  if (!row) return row.error();
  for (const std::int64_t type : found) {
    const auto used = has_points(tiers, targets, type);
    if (!used) return used.error();
    if (*used) continue;
    if (Status gone = forget_name_.bind(1, type).run(); !gone) return gone.error();
    if (Status gone = forget_text_.bind(1, type).run(); !gone) return gone.error();
    noted_.erase(type);
    forgot = true;
  }
  const bool all = found.size() < kLookedAtOnce;
  looked_at_ = all ? 0 : found.back();
  if (!all) return false;
  if (Status counted = count(); !counted) return counted.error();
  return true;
}

}  // namespace outrider
