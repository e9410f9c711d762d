// The audit of one target: a thread that asks the engine what it has counted, and the book in which that is compared
// with what was seen. The thread has no capability, waits for the engine for as long as that takes, and holds nobody
// up.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "userspace/audit/audit_book.h"
#include "userspace/base/fault_notice.h"
#include "userspace/base/result.h"
#include "userspace/model/agent_figures.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// For one thread.
class Auditor {
 public:
  using Time = AuditBook::Time;

  /// `name` is what logs call the target. The engine is asked when the target was first read, and each `every` from
  /// then on. Errors: `source` is none (see make_engine_counter()); no thread to be had.
  static Result<std::unique_ptr<Auditor>> start(std::string name, const std::string& source,
                                                std::chrono::milliseconds every);

  /// Leaves a thread that waits for the engine to itself.
  ~Auditor();
  Auditor(const Auditor&) = delete;
  Auditor& operator=(const Auditor&) = delete;

  /// A reading of the target, made between two moments. Says in the log what has become better or worse.
  void observe(const Snapshot& snapshot, Time begin, Time end);

  [[nodiscard]] AuditState state() const;

 private:
  struct Shared;
  Auditor(std::string name, std::shared_ptr<Shared> shared, std::thread thread)
      : name_(std::move(name)), shared_(std::move(shared)), thread_(std::move(thread)) {}
  void say(const std::string& error, const std::optional<AuditComparison>& comparison);

  std::string name_;
  std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this object
  std::thread thread_;
  FaultNotice failing_, differing_;
};

}  // namespace outrider
