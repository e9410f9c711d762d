// The history of all targets on disk. Points are queued and written by the store's own thread, batched about once a
// second, so that a full, slow or broken disk costs history and never an interval: each such fault is counted and
// retried. So is that the file is removed or replaced while it is open: what it held is lost, and another one is begun.
// After a kill -9 at most the last two seconds are missing. All functions are thread-safe; history() and its like read
// the file under a lock of their own, so they wait for each other but not for the writer. Times are Unix milliseconds.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/agent_figures.h"
#include "userspace/model/point.h"
#include "userspace/store/held_files.h"
#include "userspace/store/history_writer.h"
#include "userspace/store/options.h"
#include "userspace/store/store_reader.h"

namespace outrider {

class Store {
 public:
  /// Starts the thread. A file that cannot be opened or written now, or that another store writes to, is no error here:
  /// it is counted and tried again. Errors: options that contradict each other, or a file that is not to be written: of
  /// a newer version, of another program, or of other steps (code EINVAL: trying again is no use); no thread to be had.
  static Result<std::unique_ptr<Store>> make(StoreOptions options);
  /// For another process, or for long queries next to a running store.
  static Result<StoreReader> open_read_only(const StoreOptions& options) { return StoreReader::open(options); }

  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  /// Writes what is queued, if that works at once, and stops.
  ~Store();

  /// Never waits for the disk. A full queue drops the point and counts it. `texts`: what some of its types say.
  void add(const std::string& target, Point point, TypeTexts texts = {});
  /// Small values that survive a restart; written with the next batch, the last one of a key wins. Keys that begin with
  /// "store." are the store's own.
  void put_state(const std::string& key, std::string value);
  /// The same for several, which are then written together or not at all.
  void put_states(const std::map<std::string, std::string>& values);
  /// What was put last, written or not; none if nothing ever was. Error: the file cannot be read or is not the one that
  /// is written, or another store writes to it, so that what it keeps is not ours.
  Result<std::optional<std::string>> get_state(const std::string& key);

  /// Waits until all that was queued before is written or has failed once.
  Status flush();
  /// Questions about the past end with an error from now on, those that are being answered as well.
  void stop_reading() { stops_reading_ = true; }

  /// The newest point of the target, written or not; null if there is none.
  std::shared_ptr<const Point> get_current_performance(const std::string& target);
  /// The finest points, written ones, of the last `window_ms`, oldest first.
  Result<std::vector<Point>> get_recent_snapshots(const std::string& target, std::int64_t window_ms);
  Result<History> history(const HistoryQuery& query);
  /// As StoreReader's. `visit` is called under the reader's lock: it must not read here itself.
  Result<History> for_each_step(const HistoryQuery& query, const VisitStep& visit);
  Result<std::vector<std::string>> targets();
  Result<std::vector<std::string>> targets_in(std::int64_t from_ms, std::int64_t to_ms);
  Result<std::vector<std::string>> types(const std::string& target);
  /// As StoreReader's.
  Result<std::optional<TypeText>> statement(const std::string& type);

  StoreCounters counters();
  /// What somebody should know of the file; given out once. Empty: nothing.
  std::string take_warning();

 private:
  explicit Store(StoreOptions options);

  void run();
  void write_batch();
  Status try_write(const Moment& now);
  Status open_writer();
  void start_anew(std::int64_t now_ms);
  void leave_files(const Error& why);
  Result<bool> check_files();
  void finish_batch(const Status& done, double seconds);
  [[nodiscard]] std::int64_t now_ms() const;
  template <typename T, typename Read>
  Result<T> read(Read&& how);

  const StoreOptions options_;

  // Of the thread alone.
  std::optional<HistoryWriter> writer_;
  std::vector<TargetPoint> batch_;
  std::map<std::string, std::string> batch_state_;
  bool history_lost_ = false;  ///< with a file that is gone; to be said when there is one again

  std::mutex mutex_;  ///< guards what follows, never held during input or output
  std::condition_variable wake_, written_;
  std::vector<TargetPoint> queue_;
  std::map<std::string, std::string> state_;  ///< put and perhaps not yet written
  std::map<std::string, std::shared_ptr<const Point>> newest_;
  StoreCounters counters_;
  std::optional<Error> taken_;          ///< another store writes to the file
  std::optional<HeldFiles> held_;       ///< what writer_ has open; none: it is not
  std::optional<std::string> warning_;  ///< none: there was none; empty: it was given out
  std::size_t batch_points_ = 0;
  std::uint64_t flushes_wanted_ = 0, flushes_done_ = 0;
  bool stopping_ = false;

  std::atomic<bool> stops_reading_{false};
  std::mutex reader_mutex_;  ///< not to be taken under mutex_
  std::chrono::steady_clock::time_point read_until_;
  const std::function<bool()> reading_is_over_ = [this] {
    return stops_reading_ || std::chrono::steady_clock::now() >= read_until_;
  };
  std::optional<StoreReader> reader_;  ///< asks the one before it

  std::thread thread_;  ///< last: it uses everything above
};

}  // namespace outrider
