// The incidents of one target that people have been told of. Findings that are about the same thing (mean and 95th
// percentile of latency, a growth and the exhaustion it leads to) are one incident, told once: it is over when the last
// of them is. One that may come back is over only after a while, so that it is not told again and again. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/detect/detector.h"
#include "userspace/model/notice.h"

namespace outrider {

class IncidentBook {
 public:
  static constexpr std::int64_t kLingerMs = 300'000;

  /// `key` names the finding, `group` what it is about. Tells of a new incident, or that a known one is worse if the
  /// finding is more severe than those before it; else nothing.
  void open(const std::string& key, const std::string& group, Notice notice, std::vector<Notice>& out);
  /// Tells it if the finding is the one that the incident was last told by.
  void worse(const std::string& key, Notice notice, std::vector<Notice>& out);
  /// Of a finding that was never opened here: nothing.
  void close(const std::string& key, std::int64_t now_ms, const std::string& why, std::vector<Notice>& out);
  /// As close(), but if nothing of the group opens within kLingerMs; tick() tells it then.
  void close_later(const std::string& key, std::int64_t now_ms, const std::string& why);
  void tick(std::int64_t now_ms, std::vector<Notice>& out);
  void close_all(std::int64_t now_ms, const std::string& why, std::vector<Notice>& out);
  /// All but those of `group`.
  void close_others(std::string_view group, std::int64_t now_ms, const std::string& why, std::vector<Notice>& out);

  /// Those that were last told by a figure whose name begins so.
  void close_metrics(std::string_view begin, std::int64_t now_ms, const std::string& why, std::vector<Notice>& out);

  [[nodiscard]] bool has_group(std::string_view group) const;
  /// When the incident was first told; none: there is none.
  [[nodiscard]] std::optional<std::int64_t> opened_at_ms(std::string_view group) const;
  [[nodiscard]] std::vector<Notice> active() const;
  [[nodiscard]] bool any(bool (*wanted)(const Notice&)) const;
  [[nodiscard]] std::size_t state_bytes() const;

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.told_);
  }

 private:
  struct Told {
    std::string group, told_by;
    std::vector<std::string> keys;  ///< of findings that are not over
    std::int64_t opened_at_ms = 0;
    std::int64_t over_ms = 0;  ///< none of them is left since then; 0: some are
    std::string why;           ///< it is over
    Notice notice;             ///< as it was last told

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      auto& n = self.notice;
      state(self.group, self.told_by, self.keys, n.id, n.name, n.arm, n.target, n.type, n.metric, n.value, n.expected,
            n.score, n.cause, n.text, self.why);
      state.index(n.severity, 4);
      state.index(n.what, 3);
      state.times(self.opened_at_ms, self.over_ms, n.at_ms, n.since_ms);
    }
  };

  std::vector<Told>::iterator remove(const std::string& key);
  template <typename Matches>
  void close_if(Matches matches, std::int64_t now_ms, const std::string& why, std::vector<Notice>& out);
  static Notice closing(Told& told, std::int64_t now_ms);

  std::vector<Told> told_;
};

}  // namespace outrider
