#include "userspace/detect/incident_book.h"

#include <algorithm>
#include <utility>

#include "userspace/detect/incident_notice.h"

namespace outrider {

// The incident keeps its id and its begin.
void IncidentBook::open(const std::string& key, const std::string& group, Notice notice, std::vector<Notice>& out) {
  const auto known = std::find_if(told_.begin(), told_.end(), [&](const Told& told) { return told.group == group; });
  if (known == told_.end()) {
    out.push_back(notice);
    told_.push_back({group, key, {key}, notice.at_ms, 0, "", std::move(notice)});
    return;
  }
  if (known->over_ms != 0) known->told_by = key;
  known->over_ms = 0;
  known->keys.push_back(key);
  if (notice.severity <= known->notice.severity) return;
  known->told_by = key;
  worse(key, std::move(notice), out);
}

void IncidentBook::worse(const std::string& key, Notice notice, std::vector<Notice>& out) {
  const auto known = std::find_if(told_.begin(), told_.end(), [&](const Told& told) { return told.told_by == key; });
  if (known == told_.end()) return;
  notice.what = Notice::What::kWorse;
  notice.id = known->notice.id;
  notice.since_ms = known->notice.since_ms;
  known->notice = notice;
  out.push_back(std::move(notice));
}

// The incident of which `key` was the last finding; the end if there is none.
std::vector<IncidentBook::Told>::iterator IncidentBook::remove(const std::string& key) {
  const auto told = std::find_if(told_.begin(), told_.end(), [&](Told& one) { return std::erase(one.keys, key) > 0; });
  if (told == told_.end() || told->keys.empty()) return told;
  if (told->told_by == key) told->told_by = told->keys.front();
  return told_.end();
}

Notice IncidentBook::closing(Told& told, std::int64_t now_ms) {
  Notice notice = std::move(told.notice);
  notice.what = Notice::What::kResolved;
  notice.text = closing_text(notice, told.over_ms, told.why);
  notice.at_ms = now_ms;
  return notice;
}

void IncidentBook::close(const std::string& key, std::int64_t now_ms, const std::string& why,
                         std::vector<Notice>& out) {
  const auto told = remove(key);
  if (told == told_.end()) return;
  told->over_ms = now_ms;
  told->why = why;
  out.push_back(closing(*told, now_ms));
  told_.erase(told);
}

void IncidentBook::close_later(const std::string& key, std::int64_t now_ms, const std::string& why) {
  const auto told = remove(key);
  if (told == told_.end()) return;
  told->over_ms = now_ms;
  told->why = why;
}

void IncidentBook::tick(std::int64_t now_ms, std::vector<Notice>& out) {
  std::erase_if(told_, [&](Told& told) {
    if (told.over_ms == 0 || now_ms - told.over_ms < kLingerMs) return false;
    out.push_back(closing(told, now_ms));
    return true;
  });
}

template <typename Matches>
void IncidentBook::close_if(Matches matches, std::int64_t now_ms, const std::string& why, std::vector<Notice>& out) {
  std::erase_if(told_, [&](Told& told) {
    if (!matches(told)) return false;
    told.over_ms = now_ms;
    told.why = why;
    out.push_back(closing(told, now_ms));
    return true;
  });
}

void IncidentBook::close_others(std::string_view group, std::int64_t now_ms, const std::string& why,
                                std::vector<Notice>& out) {
  close_if([&](const Told& told) { return told.group != group; }, now_ms, why, out);
}

void IncidentBook::close_metrics(std::string_view begin, std::int64_t now_ms, const std::string& why,
                                 std::vector<Notice>& out) {
  close_if([&](const Told& told) { return told.notice.metric.starts_with(begin); }, now_ms, why, out);
}

void IncidentBook::close_all(std::int64_t now_ms, const std::string& why, std::vector<Notice>& out) {
  close_others("", now_ms, why, out);
}

bool IncidentBook::has_group(std::string_view group) const { return opened_at_ms(group).has_value(); }

std::optional<std::int64_t> IncidentBook::opened_at_ms(std::string_view group) const {
  const auto known = std::find_if(told_.begin(), told_.end(), [&](const Told& told) { return told.group == group; });
  if (known == told_.end()) return std::nullopt;
  return known->opened_at_ms;
}

std::vector<Notice> IncidentBook::active() const {
  std::vector<Notice> active;
  active.reserve(told_.size());
  for (const Told& told : told_) active.push_back(told.notice);
  return active;
}

bool IncidentBook::any(bool (*wanted)(const Notice&)) const {
  return std::any_of(told_.begin(), told_.end(), [wanted](const Told& told) { return wanted(told.notice); });
}

std::size_t IncidentBook::state_bytes() const {
  std::size_t bytes = told_.capacity() * sizeof(Told);
  for (const Told& told : told_) bytes += told.notice.text.capacity() + told.notice.cause.capacity();
  return bytes;
}

}  // namespace outrider
