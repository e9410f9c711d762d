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
    told_.push_back({group, key, {key}, notice.at_ms, std::move(notice)});
    return;
  }
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

void IncidentBook::close(const std::string& key, std::int64_t now_ms, const std::string& why,
                         std::vector<Notice>& out) {
  for (auto told = told_.begin(); told != told_.end(); ++told) {
    if (std::erase(told->keys, key) == 0) continue;
    if (!told->keys.empty()) {
      if (told->told_by == key) told->told_by = told->keys.front();
      return;
    }
    Notice notice = std::move(told->notice);
    notice.what = Notice::What::kResolved;
    notice.at_ms = now_ms;
    notice.text = closing_text(notice, now_ms, why);
    out.push_back(std::move(notice));
    told_.erase(told);
    return;
  }
}

void IncidentBook::close_all(std::int64_t now_ms, const std::string& why, std::vector<Notice>& out) {
  while (!told_.empty()) {
    told_.back().keys.resize(1);
    const std::string key = told_.back().keys.front();
    close(key, now_ms, why, out);
  }
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
