// The child of a process with threads may call only what is safe in a signal handler until it becomes another program:
// all that it needs is made before the fork.
#include "userspace/notify/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/notify/notice_text.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAskMilliseconds = 50;
constexpr std::size_t kErrorBytes = 4096;  // that are kept of the standard error
constexpr std::size_t kShownBytes = 300;
constexpr int kNotStarted = 127;

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "a pipe for the program");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// A file in memory: there is no pipe to be filled, and none that the program may close.
Result<Fd> make_input(std::string_view text) {
  Fd file(::memfd_create("outrider-input", MFD_CLOEXEC));
  if (!file.valid()) return Error::from_errno(errno, "the program's input");
  while (!text.empty()) {
    const auto count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::from_errno(errno, "the program's input");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return Error::from_errno(errno, "the program's input");
  return file;
}

struct Streams {
  int input, output, error;
  int report;  ///< where errno goes if the program cannot be started; closed when it is
};

// dup2() leaves close-on-exec on a descriptor that is the right one already.
bool place(int from, int to) { return from == to ? ::fcntl(to, F_SETFD, 0) == 0 : ::dup2(from, to) == to; }

[[noreturn]] void become_program(char* const* arguments, const Streams& streams) {
  ::setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (place(streams.input, STDIN_FILENO) && place(streams.output, STDOUT_FILENO) &&
      place(streams.error, STDERR_FILENO) && ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
      ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0) {
    ::execv(arguments[0], arguments);
  }
  const int code = errno;
  (void)!::write(streams.report, &code, sizeof(code));
  ::_exit(kNotStarted);
}

// By the system call: the header of glibc 2.36 declares its wrapper for C only.
int open_handle(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// A child that is ours to wait for; killed with its group if it still runs when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid), handle_(open_handle(pid)) {}
  ~Child() {
    if (pid_ > 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int handle() const { return handle_.get(); }

  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  void end() {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    wait();
  }

  pid_t pid_;
  Fd handle_;
};

// What is there to read; false at the end.
bool read_some(int file, std::string& text) {
  std::array<char, kErrorBytes> buffer{};
  const auto count = ::read(file, buffer.data(), buffer.size());
  if (count > 0 && text.size() < kErrorBytes) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

// Until the program has ended; what it leaves running may keep the pipe open.
Status await(const Child& child, const Fd& errors, const ProcessCall& call, std::string& text) {
  const auto deadline = Clock::now() + call.timeout;
  bool open = true;
  for (;;) {
    std::array<pollfd, 2> wait = {{{child.handle(), POLLIN, 0}, {open ? errors.get() : -1, POLLIN, 0}}};
    (void)::poll(wait.data(), wait.size(), kAskMilliseconds);
    if (wait[1].revents != 0) open = read_some(errors.get(), text);
    if (wait[0].revents != 0) return Ok{};
    if (Clock::now() >= deadline) {
      return Error{fmt::format("{} did not end within {} ms and was killed; raise the timeout or mend it",
                               call.command.front(), call.timeout.count()),
                   ETIMEDOUT};
    }
    if (call.give_up && call.give_up()) {
      return Error{call.command.front() + " was killed, since the agent cannot wait for it", ECANCELED};
    }
  }
}

Status judge(int status, const std::string& program, const std::string& errors) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ok{};
  const std::string line = one_line(errors.substr(0, errors.find('\n')), kShownBytes);
  const std::string end = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                              : fmt::format("ended with code {}", WEXITSTATUS(status));
  return Error{fmt::format("{} {}{}{}", program, end, line.empty() ? "" : ": ", line)};
}

std::vector<char*> arguments_of(std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  return arguments;
}

}  // namespace

Status run_process(const ProcessCall& call) {
  auto input = make_input(call.input);
  auto errors = make_pipe();
  auto report = make_pipe();
  const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!input) return input.error();
  if (!errors) return errors.error();
  if (!report) return report.error();
  std::vector<std::string> command = call.command;
  const std::vector<char*> arguments = arguments_of(command);
  const Streams streams{input->get(), nowhere.get(), errors->write.get(), report->write.get()};
  const pid_t pid = ::fork();
  if (pid < 0) return Error::from_errno(errno, "start " + call.command.front());
  if (pid == 0) become_program(arguments.data(), streams);
  Child child(pid);
  errors->write.reset();
  report->write.reset();
  int code = 0;
  if (::read(report->read.get(), &code, sizeof(code)) == sizeof(code)) {
    child.wait();
    return Error::from_errno(code, "start " + call.command.front());
  }
  if (child.handle() < 0) return Error{"cannot watch " + call.command.front() + "; raise the limit of open files"};
  std::string text;
  if (auto ended = await(child, errors->read, call, text); !ended) return ended;
  ::fcntl(errors->read.get(), F_SETFL, O_NONBLOCK);
  (void)read_some(errors->read.get(), text);
  return judge(child.wait(), call.command.front(), text);
}

}  // namespace outrider
