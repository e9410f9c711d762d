// Writes points, rolls them up, and forgets what is too old or too much. Internal to store/; owned and used by the
// store's thread alone. All of one write() is one transaction: it happens as a whole or not at all. It is refused while
// a reader keeps the write-ahead log from shrinking to its share of the size limit, and once the path leads to other
// files than those that are open (is_out_of_place()). No other process writes meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/result.h"
#include "userspace/model/point.h"
#include "userspace/store/database.h"
#include "userspace/store/held_files.h"
#include "userspace/store/options.h"
#include "userspace/store/page_limit.h"
#include "userspace/store/statement_texts.h"
#include "userspace/store/trusted_clock.h"

namespace outrider {

struct WritableFile;

struct TargetPoint {
  std::string target;
  std::shared_ptr<const Point> point;
  TypeTexts texts = {};  ///< of some of its types
};

class HistoryWriter {
 public:
  static Result<HistoryWriter> open(const StoreOptions& options);

  Status write(const std::vector<TargetPoint>& points, const std::map<std::string, std::string>& state,
               const Moment& now);

  [[nodiscard]] const HeldFiles& files() const { return files_; }
  /// To be called before it is destroyed if its files are out of place; no reader of this process may be open.
  void leave();

  /// Points older than the finest tier reaches, which were left out; since the last call.
  std::uint64_t take_late() { return std::exchange(late_, 0); }
  /// How often the size limit cost the oldest history; since the last call.
  std::uint64_t take_trims() { return std::exchange(trims_, 0); }
  /// What is to be said of the file as it was found; empty: nothing.
  [[nodiscard]] const std::string& warning() const { return page_limit_.warning(); }

 private:
  using Step = std::tuple<std::size_t, std::int64_t, std::int64_t>;  ///< (tier, target, begin)
  /// How much one transaction may forget.
  struct Forgetting {
    std::int64_t used = 0, enough = 0;  ///< bytes of the database; it ends when `used` is no more than `enough`
    int steps = 0;                      ///< of the coarsest tier
  };

  HistoryWriter(WritableFile file, StoreOptions options);
  Status prepare();
  Status bound_log();
  Status find_open_steps();
  Status write_all(const std::vector<TargetPoint>& points, const std::map<std::string, std::string>& state,
                   const Moment& now);
  Status add(const TargetPoint& entry, std::int64_t now_ms, std::int64_t trusted_ms);
  Status forget_names(std::int64_t trusted_ms);
  Status load(std::int64_t target, std::int64_t from_ms, std::int64_t to_ms, Point& point, bool& found);
  Status save(std::size_t tier, std::int64_t target, std::int64_t begin_ms, const Point& point);
  Status roll_up(std::int64_t now_ms);
  Status put_rolled(std::int64_t now_ms);
  Status put_number(const char* key, std::int64_t value);
  [[nodiscard]] bool is_cleaning_due(std::int64_t now_ms) const;
  Status forget_old(std::int64_t now_ms);
  Status forget(std::size_t tier, std::int64_t before_ms);
  Status forget_types(std::size_t tier, std::int64_t target, std::int64_t before_ms);
  Status put_forgotten(std::int64_t until_ms);
  Result<bool> forget_until(std::size_t tier, std::int64_t before_ms, Forgetting& room);
  Status trim(std::int64_t now_ms, std::int64_t more);
  [[nodiscard]] std::int64_t trimmed_until(std::size_t tier, std::size_t round, std::int64_t now_ms) const;
  Result<std::optional<std::int64_t>> oldest_point(std::size_t tier);
  Result<std::int64_t> used_bytes() const;
  Result<std::vector<std::int64_t>> target_ids();
  Result<std::int64_t> id_of(const std::string& name);
  std::string name_of(std::int64_t id);
  [[nodiscard]] std::int64_t coarsest_ms() const { return options_.tiers.back().step_ms; }
  /// A step is rolled up so long after its end, so that a reading that is a little late is still in it.
  [[nodiscard]] std::int64_t grace_ms() const { return 2 * options_.tiers.front().step_ms; }
  [[nodiscard]] std::int64_t limit_bytes() const;

  Fd lock_;  ///< before the database, which is closed first
  Database database_;
  HeldFiles files_;
  StoreOptions options_;
  PageLimit page_limit_;
  Statement load_, save_recent_, save_rolled_, add_name_, find_name_, find_id_, put_state_;
  Statement forget_recent_, forget_rolled_, next_type_;
  std::map<std::string, std::int64_t> ids_;
  std::map<std::int64_t, std::string> names_;
  StatementTexts texts_;
  bool names_looked_at_ = true;  ///< since the last cleaning
  TrustedClock clock_;
  std::set<Step> open_steps_;               ///< written to since they were rolled up
  std::vector<std::int64_t> rolled_until_;  ///< per coarser tier: what begins before is rolled up. As in the file
  std::int64_t forgotten_until_ms_ = 0;     ///< the finest tier is whole from here on
  std::int64_t last_cleaning_ms_ = 0;       ///< by the trusted clock
  std::uint64_t late_ = 0, trims_ = 0;
};

}  // namespace outrider
