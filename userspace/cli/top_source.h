// Where `outrider top` has its figures from. A source works in a thread of its own and puts what it sees into a box,
// until it is destroyed.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "userspace/agent/watch.h"
#include "userspace/base/result.h"
#include "userspace/cli/log_news.h"
#include "userspace/tui/board_box.h"

namespace outrider {

class TopSource {
 public:
  TopSource() = default;
  virtual ~TopSource() = default;  ///< ends the thread

  /// The boards shall have the recorded past of this type, if there is any. Returns at once.
  virtual void want_past(const std::string& target, const std::string& type) {
    (void)target;
    (void)type;
  }

  TopSource(const TopSource&) = delete;
  TopSource& operator=(const TopSource&) = delete;
};

struct TopServiceOptions {
  std::string url;      ///< without a slash at its end
  std::string token;    ///< empty: none
  std::string ca_file;  ///< PEM; empty: the certificates that the system trusts
  std::chrono::milliseconds interval{1000};
};

/// Asks a running service. The box ends at once if the service is not there or refuses; later it is asked again until
/// it is back. `box` is borrowed. Errors: no thread to be had.
Result<std::unique_ptr<TopSource>> start_service_source(const TopServiceOptions& options, BoardBox& box);

/// Attaches. The first board comes once that is done; the box ends with the targets. `box` and `news` are borrowed.
/// Errors: no thread to be had.
Result<std::unique_ptr<TopSource>> start_watch_source(const WatchOptions& options, BoardBox& box, const LogNews& news);

}  // namespace outrider
