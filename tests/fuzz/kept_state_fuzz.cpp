// Any text as what the agent kept of itself over a restart: availability, detectors, alerts, notices. Taken or refused;
// what was taken is written and taken again.
#include <optional>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/alerts/notice_gate.h"
#include "userspace/alerts/rule_book.h"
#include "userspace/config/rules.h"
#include "userspace/detect/state_text.h"
#include "userspace/detect/target_monitor.h"
#include "userspace/model/availability.h"
#include "userspace/notify/channel_queue.h"

namespace {

using outrider::demand;

constexpr std::int64_t kNow = 1'700'000'000'000;

void check_monitor(std::string_view text) {
  for (const char* detector : {"default", "zscore", "none"}) {
    auto monitor = outrider::TargetMonitor::make("graph", {.detector = detector});
    demand(static_cast<bool>(monitor), "there is such a detector");
    if (!(*monitor)->restore(text)) continue;
    auto other = outrider::TargetMonitor::make("graph", {.detector = detector});
    demand(static_cast<bool>((*other)->restore((*monitor)->serialise())), "a monitor's state is read back");
    outrider::Snapshot snapshot;
    snapshot.timestamp_ms = kNow;
    snapshot.interval_seconds = 1;
    std::vector<outrider::Notice> notices;
    (*monitor)->observe(snapshot, {}, notices);
    (*monitor)->end(kNow + 1000, "the end", notices);
  }
  for (const char* name : {"default", "zscore"}) {
    auto detector = outrider::make_detector(name);
    if (!(*detector)->restore(text)) continue;
    std::vector<outrider::IncidentEvent> events;
    (*detector)->observe({.time_ms = kNow}, events);
  }
}

// One field of each kind, as detectors have them.
struct Fields {
  double number = 0;
  std::string words;
  bool flag = false;
  std::optional<double> perhaps;
  std::vector<double> list;

  template <typename State>
  void visit(State& state) {
    state(number, words, flag, perhaps, list);
  }
};

void check_fields(std::string_view text) {
  outrider::StateReader reader(text, 1);
  Fields fields;
  fields.visit(reader);
  if (!reader.done()) return;
  outrider::StateWriter writer;
  fields.visit(writer);
  outrider::StateReader again(writer.text(1), 1);
  Fields same;
  same.visit(again);
  demand(static_cast<bool>(again.done()) && same.words == fields.words, "fields are read back");
}

void check_alerts(std::string_view text) {
  outrider::NoticeGate gate;
  if (gate.restore(text)) demand(static_cast<bool>(outrider::NoticeGate().restore(gate.serialise())), "so are notices");
  outrider::RuleBook book;
  std::vector<outrider::Notice> notices;
  book.set_rules(outrider::default_rules(), kNow, notices);
  if (book.restore(text, kNow, notices)) {
    outrider::RuleBook other;
    other.set_rules(outrider::default_rules(), kNow, notices);
    demand(static_cast<bool>(other.restore(book.serialise(), kNow, notices)), "so are alerts");
  }
}

void check_queue(const std::string& text) {
  const outrider::ChannelQueue::Time now{std::chrono::hours(1)};
  outrider::ChannelQueue queue({});
  if (!queue.restore(text, now, kNow)) return;
  const std::string kept = queue.serialise(now, kNow, 1U << 20U);
  demand(static_cast<bool>(outrider::ChannelQueue({}).restore(kept, now, kNow)), "so is a queue");
  demand(queue.serialise(now, kNow, 300).size() <= 300, "no more is kept than may be");
  outrider::made(queue.take(now + std::chrono::seconds(2)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(outrider::text_of(data, size));
  outrider::AvailabilityTracker tracker;
  if (tracker.restore(text)) {
    outrider::AvailabilityTracker other;
    demand(static_cast<bool>(other.restore(tracker.serialise())), "availability is read back");
    for (int second = 0; second < 3; ++second) tracker.observe({kNow + 1000 * second, second != 1, 0, 7});
    outrider::made(tracker.current(kNow));
  }
  check_monitor(text);
  check_fields(text);
  check_alerts(text);
  check_queue(text);
  return 0;
}
