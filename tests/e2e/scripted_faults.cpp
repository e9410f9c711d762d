#include "tests/e2e/scripted_faults.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"

namespace scripted {

namespace {

struct Fault : std::exception {};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "scripted-engine: %s: %s\n", what, std::strerror(errno));
  std::_Exit(EXIT_FAILURE);
}

void throw_through(int depth) {
  const outrider::Query query("thrown");
  const outrider::Phase phase("doomed");
  if (depth > 1) return throw_through(depth - 1);
  outrider::DetachedQuery dropped("dropped");
  dropped.release();
  dropped.attach();
  throw Fault();
}

void run_queries(const char* type, int count) {
  for (; count > 0; --count) const outrider::Query query(type);
}

void reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) die("waitpid");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::fprintf(stderr, "scripted-engine: a child ended with status %#x\n", static_cast<unsigned>(status));
    std::_Exit(EXIT_FAILURE);
  }
}

template <typename Live>
std::vector<pid_t> fork_together(int children, Live live) {
  std::vector<pid_t> living;
  living.reserve(static_cast<std::size_t>(children));
  for (int i = 0; i < children; ++i) {
    const pid_t child = ::fork();
    if (child < 0) die("fork");
    if (child == 0) {
      live();
      ::_exit(0);
    }
    living.push_back(child);
  }
  return living;
}

// Queries in a vforked child are what its name warns of: it is on its parent's stack. Engines do it, and it works.
[[gnu::noinline]] void vfork_once(int count) {
  const pid_t child = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): the case that is tested
  if (child < 0) die("vfork");
  if (child == 0) {
    run_queries("vfork", count);
    ::_exit(0);
  }
  reap(child);
}

int cloned(void* count) {
  run_queries("clone", *static_cast<const int*>(count));
  return 0;
}

void clone_once(int count) {
  static constexpr std::size_t kStack = 256 << 10;
  static std::array<unsigned char, kStack> stack;
  const pid_t child = ::clone(&cloned, stack.data() + stack.size(), CLONE_VM | SIGCHLD, &count);
  if (child < 0) die("clone");
  reap(child);
}

/// One thread's part of the record.
struct alignas(64) Counts {
  std::atomic<std::uint64_t> begun, ended, failed;
};
static_assert(sizeof(Counts) == 64 && std::atomic<std::uint64_t>::is_always_lock_free);

Counts* map_counts(const char* path, int threads) {
  const std::size_t bytes = sizeof(Counts) * static_cast<std::size_t>(threads);
  const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) die(path);
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) die(path);
  ::close(fd);
  return static_cast<Counts*>(at);
}

void add_one(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

void run_load(Counts& counts, std::chrono::steady_clock::time_point until) {
  constexpr std::uint64_t kFailsOneIn = 10;
  for (std::uint64_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
    const bool fails = i % kFailsOneIn == 0;
    add_one(counts.begun);
    {
      outrider::Query query("load");
      if (fails) query.fail();
    }
    if (fails) add_one(counts.failed);
    add_one(counts.ended);
  }
}

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#endif

/// What a query engine needs once it has begun; whatever else is called kills the process.
constexpr std::array kAllowed{__NR_read,  __NR_write, __NR_exit,          __NR_exit_group,      __NR_rt_sigreturn,
                              __NR_futex, __NR_brk,   __NR_clock_gettime, __NR_clock_nanosleep, __NR_munmap};

sock_filter instruction(unsigned code, unsigned k, unsigned char jt = 0, unsigned char jf = 0) {
  return {static_cast<unsigned short>(code), jt, jf, k};
}

void install_filter() {
  std::vector<sock_filter> filter;
  filter.reserve(2 * kAllowed.size() + 5);
  filter.push_back(instruction(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  filter.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  filter.push_back(instruction(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  filter.push_back(instruction(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const int number : kAllowed) {
    filter.push_back(instruction(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    filter.push_back(instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(instruction(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0) die("no_new_privs");
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0L, 0L) != 0) die("seccomp");
}

}  // namespace

void throws(int count) {
  for (; count > 0; --count) {
    try {
      throw_through(kThrownThrough);
    } catch (const Fault&) {
    }
  }
}

void families(const char* how, int children, int count) {
  const std::string kind = how;
  if (kind == "fork") {
    for (const pid_t child : fork_together(children, [count] { run_queries("fork", count); })) reap(child);
  } else if (kind == "vfork" || kind == "clone") {
    const auto once = kind == "vfork" ? &vfork_once : &clone_once;
    for (; children > 0; --children) once(count);
  } else {
    errno = EINVAL;
    die(how);
  }
}

void offspring(int count, int ms) {
  std::array<int, 2> end{};
  if (::pipe(end.data()) != 0) die("pipe");
  const std::vector<pid_t> living = fork_together(count, [ms, &end] {
    ::close(end[1]);
    {
      const outrider::Query query("offspring");
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    }
    char byte = 0;
    if (::read(end[0], &byte, 1) != 0) die("read");
  });
  std::raise(SIGSTOP);
  ::close(end[1]);
  ::close(end[0]);
  for (const pid_t child : living) reap(child);
}

void inherit() {
  const outrider::Query query("inherited");
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child == 0) ::_exit(0);
  reap(child);
}

void crowd(int count) {
  static std::barrier<> all_began(count + 1);
  for (int i = 0; i < count; ++i) {
    std::thread([] {
      const outrider::Query query("crowd");
      all_began.arrive_and_wait();
      for (;;) ::pause();
    }).detach();
  }
  all_began.arrive_and_wait();
}

void exec_from_thread(const char* path, char** words) {
  std::thread([path, words] {
    ::execv(path, words);
    die(path);
  }).join();
  std::abort();  // the process is another program by now
}

void detached(int count) {
  std::deque<outrider::DetachedQuery> open;
  for (; count > 0; --count) open.emplace_back("detached").release();
  for (outrider::DetachedQuery& query : open) query.end();
}

void chain(const char* waiter, const char* holder, const char* how, int ms, int count) {
  using Clock = std::chrono::steady_clock;
  const bool by_lock = std::strcmp(how, "lock") == 0;
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) die("pipe");
  std::mutex mutex;
  std::barrier both(2);  // at a round's beginning and at its end
  Clock::duration waited{};
  std::jthread other([&] {
    for (int i = 0; i < count; ++i) {
      if (by_lock) mutex.lock();
      both.arrive_and_wait();
      {
        const outrider::Query query(holder);
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        if (by_lock) {
          mutex.unlock();
        } else if (::write(pipe[1], "x", 1) != 1) {
          die("write");
        }
      }
      both.arrive_and_wait();
    }
  });
  for (int i = 0; i < count; ++i) {
    both.arrive_and_wait();
    {
      const outrider::Query query(waiter);
      const auto begin = Clock::now();
      char byte = 0;
      if (by_lock) {
        const std::scoped_lock lock(mutex);
      } else if (::read(pipe[0], &byte, 1) != 1) {
        die("read");
      }
      waited += Clock::now() - begin;
    }
    both.arrive_and_wait();
  }
  std::printf("%s waited %lld ns for %s\n", waiter, static_cast<long long>(std::chrono::nanoseconds(waited).count()),
              holder);
  std::fflush(stdout);
}

void sandbox(bool strict) {
  if (!strict) {
    install_filter();
  } else if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0L, 0L, 0L) != 0) {
    die("seccomp");
  }
}

void leave() {
  for (;;) ::syscall(SYS_exit, 0);
}

void load(const char* path, int threads, int ms) {
  Counts* const counts = map_counts(path, threads);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  std::vector<std::jthread> workers;
  workers.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) workers.emplace_back([=] { run_load(counts[i], until); });
}

}  // namespace scripted
