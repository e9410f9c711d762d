#include "userspace/notify/channel_queue.h"

#include <algorithm>
#include <utility>

#include "userspace/base/retry_pause.h"

namespace outrider {

bool ChannelQueue::is_for_us(const Notice& notice) const {
  const bool known = incidents_.count(notice.id) != 0;
  if (known && notice.what == Notice::What::kFiring) return false;  // said already, perhaps before a restart
  // Whoever heard that it began wants to hear how it ends.
  return known || notice.severity >= options_.least;
}

void ChannelQueue::follow(Notice& notice, Time now) {
  const auto known = incidents_.find(notice.id);
  if (known != incidents_.end() && options_.keep_labels) {
    const Notice& first = known->second.newest;
    notice.name = first.name;
    notice.severity = first.severity;
    notice.labels = first.labels;
    notice.metric = first.metric;
    notice.arm = first.arm;
  }
  if (notice.what == Notice::What::kResolved) {
    if (known != incidents_.end()) incidents_.erase(known);
  } else if (known != incidents_.end()) {
    known->second.newest = notice;
  } else if (incidents_.size() < options_.limit) {
    incidents_.emplace(notice.id, Incident{notice, now});
  }
}

void ChannelQueue::hold(std::set<std::string> ids, Time now) {
  held_ = std::move(ids);
  for (auto& [id, notice] : std::exchange(unsaid_, {})) {
    if (held_.count(id) != 0) {
      unsaid_.emplace(id, std::move(notice));
    } else {
      add(std::move(notice), now);
    }
  }
}

void ChannelQueue::add(Notice notice, Time now) {
  const bool unsaid = unsaid_.erase(notice.id) > 0;
  if (unsaid && notice.what == Notice::What::kResolved) return;  // nobody heard of it
  if (!is_for_us(notice)) return;
  follow(notice, now);
  queue_.push_back({std::move(notice), now});
  drop_excess();
}

void ChannelQueue::catch_up(const std::vector<Notice>& going_on, Time now, std::int64_t now_ms) {
  std::map<std::string, Incident> ended = incidents_;
  for (const Notice& notice : going_on) {
    ended.erase(notice.id);
    if (notice.what == Notice::What::kResolved || incidents_.count(notice.id) != 0) continue;
    if (held_.count(notice.id) != 0) {
      unsaid_.emplace(notice.id, notice);
    } else {
      add(notice, now);
    }
  }
  for (auto& [id, incident] : ended) {
    Notice& end = incident.newest;
    end.what = Notice::What::kResolved;
    end.at_ms = now_ms;
    end.text += "; it ended while nothing could be said here";
    add(std::move(end), now);
  }
}

// What is in flight is not ours to drop: it may have been accepted already.
void ChannelQueue::drop_excess() {
  while (queue_.size() > std::max(options_.limit, in_flight_)) {
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(in_flight_));
    ++dropped_;
  }
}

void ChannelQueue::drop_old(Time now) {
  while (!queue_.empty() && now - queue_.front().since > options_.give_up_after) {
    queue_.pop_front();
    ++dropped_;
  }
}

std::size_t ChannelQueue::group_limit() const {
  return one_by_one_ > 0 ? 1 : std::max<std::size_t>(options_.group_limit, 1);
}

std::vector<Notice> ChannelQueue::take(Time now) {
  drop_old(now);
  if (pause_until_ && now < *pause_until_ && !hurry_) return {};
  std::vector<Notice> group = take_queued(now);
  return group.empty() && !hurry_ ? take_repeats(now) : group;
}

std::vector<Notice> ChannelQueue::take_queued(Time now) {
  const std::size_t most = group_limit();
  const bool ready = hurry_ || queue_.size() >= most || (!queue_.empty() && now >= due_of_queue());
  if (queue_.empty() || !ready) return {};
  in_flight_ = std::min(queue_.size(), most);
  std::vector<Notice> group;
  group.reserve(in_flight_);
  for (std::size_t i = 0; i < in_flight_; ++i) group.push_back(queue_[i].notice);
  return group;
}

std::vector<Notice> ChannelQueue::take_repeats(Time now) {
  const auto first = repeat_due();
  if (!first || now < *first) return {};
  std::vector<Notice> group;
  const std::size_t most = group_limit();
  for (const auto& [id, incident] : incidents_) {
    if (group.size() == most) break;
    if (held_.contains(id) || incident.said + options_.repeat_interval > now + options_.group_wait) continue;
    group.push_back(incident.newest);
    repeats_.push_back(id);
  }
  return group;
}

// One that is over by now is not there any more.
void ChannelQueue::said(const std::string& id, Time now) {
  if (const auto known = incidents_.find(id); known != incidents_.end()) known->second.said = now;
}

std::size_t ChannelQueue::remove_taken(Time now) {
  const std::size_t size = in_flight_ + repeats_.size();
  for (const std::string& id : repeats_) said(id, now);
  repeats_.clear();
  for (; in_flight_ > 0; --in_flight_) {
    said(queue_.front().notice.id, now);
    queue_.pop_front();
  }
  failures_ = 0;
  pause_until_.reset();
  return size;
}

std::size_t ChannelQueue::accepted(Time now) {
  one_by_one_ -= std::min<std::size_t>(one_by_one_, 1);
  return remove_taken(now);
}

std::size_t ChannelQueue::refused(Time now) {
  const std::size_t size = in_flight_ + repeats_.size();
  if (size > 1) {
    one_by_one_ = size;
    in_flight_ = 0;
    repeats_.clear();
    return 0;
  }
  dropped_ += size;
  return accepted(now);
}

void ChannelQueue::failed(Time now, double chance) {
  in_flight_ = 0;
  repeats_.clear();
  drop_excess();
  pause_until_ = now + retry_pause(++failures_, chance, options_.retry_first, options_.retry_most);
}

ChannelQueue::Time ChannelQueue::due_of_queue() const {
  const bool at_once = hurry_ || queue_.size() >= group_limit();
  return at_once ? queue_.front().since : queue_.front().since + options_.group_wait;
}

std::optional<ChannelQueue::Time> ChannelQueue::repeat_due() const {
  if (options_.repeat_interval.count() == 0) return std::nullopt;
  std::optional<Time> first;
  for (const auto& [id, incident] : incidents_) {
    if (!held_.contains(id)) first = std::min(first.value_or(incident.said), incident.said);
  }
  return first ? std::optional(*first + options_.repeat_interval) : std::nullopt;
}

std::optional<ChannelQueue::Time> ChannelQueue::due() const {
  std::optional<Time> first = hurry_ ? std::nullopt : repeat_due();
  if (!queue_.empty()) first = first ? std::min(*first, due_of_queue()) : due_of_queue();
  if (first && pause_until_ && !hurry_) first = std::max(*first, *pause_until_);
  return first;
}

void ChannelQueue::set_options(QueueOptions options) {
  options_ = options;
  failures_ = 0;
  pause_until_.reset();
  drop_excess();
}

void ChannelQueue::hurry() { hurry_ = true; }

}  // namespace outrider
