#include "userspace/base/background_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "userspace/base/privileges.h"

namespace outrider {
namespace {

constexpr int kGiveWay = 5;

}  // namespace

Result<std::thread> start_background_thread(const char* name, Privileges privileges, std::function<void()> run) {
  // The thread inherits the mask.
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  std::error_code error;
  try {
    thread = std::thread([privileges, work = std::move(run)] {
      if (privileges == Privileges::kNone) drop_capabilities();
      work();
    });
    pthread_setname_np(thread.native_handle(), name);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) return Error{"no thread to be had: " + error.message() + "; raise the limit of tasks", error.value()};
  return thread;
}

// On Linux a nice value is a thread's own.
void give_way() {
  const auto self = static_cast<id_t>(gettid());
  errno = 0;
  const int before = getpriority(PRIO_PROCESS, self);
  if (before == -1 && errno != 0) return;
  (void)setpriority(PRIO_PROCESS, self, before + kGiveWay);
}

}  // namespace outrider
