#include "usdt/example/fault_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace outrider::example {

namespace {

struct KindRow {
  std::string_view name;
  FaultKind kind;
  double default_value;
  double largest_value;  // 0: the kind takes no value
  std::string_view meaning;
};

constexpr double kLongestWaitMs = 60'000;
constexpr std::array kKinds{
    KindRow{"slow", FaultKind::kSlow, 100, 100'000, "PERCENT more CPU work in each query"},
    KindRow{"errors", FaultKind::kErrors, 10, 100, "PERCENT of the queries fail, half of them by an exception"},
    KindRow{"drop", FaultKind::kDrop, 50, 100, "PERCENT of the traffic stays away"},
    KindRow{"cold", FaultKind::kCold, 100, 100, "PERCENT of the looks into the cache find nothing"},
    KindRow{"leak", FaultKind::kLeak, 10, 10'000, "MB a second are allocated and never freed"},
    KindRow{"hang", FaultKind::kHang, 0, 86'400, "queries stop ending for SECONDS"},
    KindRow{"crash", FaultKind::kCrash, 0, 0, "abort()"},
    KindRow{"lock", FaultKind::kLock, 3, kLongestWaitMs,
            "a convoy: somebody holds a mutex that queries need, MS at a time"},
    KindRow{"disk", FaultKind::kDisk, 3, kLongestWaitMs, "MS of reads past the page cache (O_DIRECT)"},
    KindRow{"cond", FaultKind::kCond, 3, kLongestWaitMs, "MS on a condition variable"},
    KindRow{"pipe", FaultKind::kPipe, 3, kLongestWaitMs, "MS reading an empty pipe"},
    KindRow{"socket", FaultKind::kSocket, 3, kLongestWaitMs, "MS receiving from a quiet socket"},
    KindRow{"poll", FaultKind::kPoll, 3, kLongestWaitMs, "MS polling a quiet descriptor"},
    KindRow{"sleep", FaultKind::kSleep, 3, kLongestWaitMs, "MS asleep"},
    KindRow{"fault", FaultKind::kPageFault, 3, kLongestWaitMs, "MS of page faults on a mapping that is not in memory"},
    KindRow{"io_uring", FaultKind::kIoUring, 3, kLongestWaitMs, "MS waiting for an io_uring completion"},
    KindRow{"spin", FaultKind::kSpin, 3, kLongestWaitMs, "MS of CPU work"},
};

Error bad_fault(std::string_view text, const std::string& why) {
  return Error{
      fmt::format("--fault '{}': {}; expected KIND[:VALUE][/SHARE]@SECOND[+LENGTH], e.g. slow:50@10+5", text, why)};
}

std::optional<double> to_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0) {
    return std::nullopt;
  }
  return value;
}

/// Cuts `text` at the first `mark` and returns what follows it; empty when there is no mark.
std::optional<std::string_view> cut_after(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

/// Reads an optional number that must be in [0, largest] into `value`; false if it is there and wrong.
bool read_part(const std::optional<std::string_view>& part, double largest, double& value) {
  if (!part) return true;
  const auto number = to_number(*part);
  if (!number || *number > largest) return false;
  value = *number;
  return true;
}

}  // namespace

Result<FaultSpec> parse_fault(std::string_view text) {
  constexpr double kLatest = 1e9;
  std::string_view head = text;
  auto when = cut_after(head, '@');
  if (!when) return bad_fault(text, "there is no @SECOND");
  const auto length = cut_after(*when, '+');
  const auto share = cut_after(head, '/');
  const auto value = cut_after(head, ':');

  const auto* row = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& k) { return k.name == head; });
  if (row == kKinds.end()) return bad_fault(text, fmt::format("there is no fault kind '{}'", head));
  FaultSpec spec;
  spec.kind = row->kind;
  spec.value = row->default_value;
  if (value && row->largest_value == 0) return bad_fault(text, fmt::format("{} takes no value", head));
  if (!read_part(value, row->largest_value, spec.value)) {
    return bad_fault(text, fmt::format("the value must be a number from 0 to {}", row->largest_value));
  }
  if (share && !is_planted_wait(spec.kind)) return bad_fault(text, fmt::format("{} takes no share", head));
  if (!read_part(share, 100, spec.share_percent)) return bad_fault(text, "the share must be a percentage, 0 to 100");
  if (!read_part(when, kLatest, spec.begin_seconds)) return bad_fault(text, "the second must be a number");
  if (length) {
    spec.length_seconds = 0;
    if (!read_part(length, kLatest, *spec.length_seconds)) return bad_fault(text, "the length must be in seconds");
  }
  if (spec.kind == FaultKind::kHang && !length && spec.value > 0) spec.length_seconds = spec.value;
  return spec;
}

std::string fault_help() {
  std::string help;
  for (const KindRow& row : kKinds) help += fmt::format("  {:<9} {}\n", row.name, row.meaning);
  return help;
}

QueryFaults FaultPlan::draw(double second, Rng& rng) const {
  QueryFaults faults;
  if (specs_.empty()) return faults;
  double luck = rng.uniform() * 100;
  for (const FaultSpec& spec : specs_) {
    if (!spec.active_at(second)) continue;
    if (spec.kind == FaultKind::kSlow) faults.slow_percent += spec.value;
    if (spec.kind == FaultKind::kHang) faults.hangs = true;
    if (spec.kind == FaultKind::kErrors && rng.uniform() * 100 < spec.value) {
      faults.fails = true;
      faults.throws = rng.next() & 1;
    }
    if (spec.kind == FaultKind::kCold && rng.uniform() * 100 < spec.value) faults.misses = true;
    if (is_planted_wait(spec.kind) && !faults.wait) {
      luck -= spec.share_percent;
      if (luck >= 0) continue;
      faults.wait = spec.kind;
      faults.wait_ms = spec.value;
    }
  }
  return faults;
}

const FaultSpec* FaultPlan::active(FaultKind kind, double second) const {
  for (const FaultSpec& spec : specs_) {
    if (spec.kind == kind && spec.active_at(second)) return &spec;
  }
  return nullptr;
}

bool FaultPlan::has(FaultKind kind) const {
  return std::any_of(specs_.begin(), specs_.end(), [=](const FaultSpec& spec) { return spec.kind == kind; });
}

void FaultPlan::remove(FaultKind kind) {
  std::erase_if(specs_, [=](const FaultSpec& spec) { return spec.kind == kind; });
}

}  // namespace outrider::example
