#include "userspace/base/background_thread.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <utility>

namespace outrider {

Result<std::thread> start_background_thread(const char* name, std::function<void()> run) {
  // The thread inherits the mask.
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  std::error_code error;
  try {
    thread = std::thread(std::move(run));
    pthread_setname_np(thread.native_handle(), name);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) return Error{"no thread to be had: " + error.message() + "; raise the limit of tasks", error.value()};
  return thread;
}

}  // namespace outrider
