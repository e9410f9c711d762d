/* Query guards for C++ (C++17 and later).
 *
 *     outrider::Query query{"factual"};
 *     if (cached) query.hit(); else query.miss();
 *     if (!ok) query.fail();
 *     // left by return: ended; left by an exception: ended as failed
 *
 * Ownership: a guard owns nothing; `type` and names are not copied and must live as long as the guard (at most 26 bytes
 * are used). Units: nanoseconds of CLOCK_MONOTONIC. Thread-safety: a Query and a Phase belong to the thread that made
 * them; a DetachedQuery to one thread at a time. Errors: none, nothing here throws.
 * Cost while nobody watches: two loads, an or and a branch; no clock is read. */
#ifndef OUTRIDER_QUERY_HPP
#define OUTRIDER_QUERY_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "query.h"

#if defined(__GNUC__)
#define OUTRIDER_IN_PLACE_MEMBER_ __attribute__((always_inline)) OUTRIDER_LOCAL_
#else
#define OUTRIDER_IN_PLACE_MEMBER_ OUTRIDER_LOCAL_
#endif

#define OUTRIDER_BEGIN_PROVIDER_ inline namespace OUTRIDER_CAT(provider_, OUTRIDER_PROVIDER) {
#define OUTRIDER_END_PROVIDER_ }

namespace outrider {

/* Asks a guard for its times even if nobody watches (two clock reads), for an engine that keeps a record of its own. */
struct Timed {
  explicit Timed() = default;
};
inline constexpr Timed kTimed{};

/* As in usdt.h: guards of two providers are never merged. */
OUTRIDER_BEGIN_PROVIDER_

/* A query that begins and ends on one thread, in one scope: a local variable, never a member or in the heap. Queries
 * nest. In an event loop, a coroutine or a fiber use DetachedQuery. */
class Query {
 public:
  OUTRIDER_IN_PLACE_MEMBER_ explicit Query(const char* type) noexcept {
    outrider_query_begin(&query_, type);
    if (__builtin_expect(query_.flags != 0, 0)) exceptions_ = std::uncaught_exceptions();
  }
  OUTRIDER_IN_PLACE_MEMBER_ Query(const char* type, Timed) noexcept {
    exceptions_ = std::uncaught_exceptions();
    outrider_query_begin_timed(&query_, type);
  }
  /* The same, and the end writes the duration to *duration_ns, which must outlive the guard: for a record that also
   * holds the queries that were left by an exception. */
  OUTRIDER_IN_PLACE_MEMBER_ Query(const char* type, Timed, std::uint64_t* duration_ns) noexcept
      : duration_out_(duration_ns) {
    exceptions_ = std::uncaught_exceptions();
    outrider_query_begin_timed(&query_, type);
  }
  OUTRIDER_LOCAL_ ~Query() {
    if (__builtin_expect(running(), false)) finish_on_exit();
  }

  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  static void* operator new(std::size_t) = delete;
  static void* operator new[](std::size_t) = delete;

  /* Marks the query as failed. */
  OUTRIDER_LOCAL_ void fail() noexcept { outrider_query_fail(&query_); }
  /* Counts cache lookups; they are reported with the query's end, at no further cost. */
  OUTRIDER_LOCAL_ void hit(std::uint64_t n = 1) noexcept { query_.hits += n; }
  OUTRIDER_LOCAL_ void miss(std::uint64_t n = 1) noexcept { query_.misses += n; }
  /* Ends the query now; the destructor then does nothing. */
  OUTRIDER_LOCAL_ void finish() noexcept {
    if (__builtin_expect(!running(), true)) return;
    outrider_query_end(&query_);
    if (duration_out_) *duration_out_ = query_.duration_ns;
  }

  /* Whether somebody watched when the query began; false again once it ended. */
  OUTRIDER_LOCAL_ bool armed() const noexcept { return (query_.flags & OUTRIDER_ARMED) != 0; }
  OUTRIDER_LOCAL_ bool failed() const noexcept { return (query_.flags & OUTRIDER_FAILED) != 0; }
  /* The next four have a meaning only for a query that is or was armed or timed; id and depth only if armed. */
  OUTRIDER_LOCAL_ std::uint64_t start_ns() const noexcept { return query_.start_ns; }
  /* After finish(): exactly the duration that the watcher is given. */
  OUTRIDER_LOCAL_ std::uint64_t duration_ns() const noexcept { return query_.duration_ns; }
  OUTRIDER_LOCAL_ std::uint64_t id() const noexcept { return query_.id; }
  OUTRIDER_LOCAL_ std::uint64_t depth() const noexcept { return query_.depth; }
  OUTRIDER_LOCAL_ std::uint64_t hits() const noexcept { return query_.hits; }
  OUTRIDER_LOCAL_ std::uint64_t misses() const noexcept { return query_.misses; }

 private:
  OUTRIDER_LOCAL_ bool running() const noexcept { return (query_.flags & (OUTRIDER_ARMED | OUTRIDER_TIMED)) != 0; }
  OUTRIDER_NOINLINE_ OUTRIDER_LOCAL_ void finish_on_exit() noexcept {
    if (std::uncaught_exceptions() > exceptions_) fail();
    finish();
  }

  outrider_query query_;
  int exceptions_ = 0;
  std::uint64_t* duration_out_ = nullptr;
};

/* A query that may end on another thread than it began on, or share its thread with others. Movable; may live
 * anywhere. Its maker's thread is on it at first. Whoever stops working on it calls release(), whoever goes on calls
 * attach(). Only end() and fail() + end() say how it went: one that is destroyed before its end was dropped, and
 * counts as failed. */
class DetachedQuery {
 public:
  OUTRIDER_LOCAL_ explicit DetachedQuery(const char* type) noexcept { outrider_detached_begin(&detached_, type, 0); }
  OUTRIDER_LOCAL_ DetachedQuery(const char* type, Timed) noexcept { outrider_detached_begin(&detached_, type, 1); }
  OUTRIDER_LOCAL_ ~DetachedQuery() { drop(); }

  OUTRIDER_LOCAL_ DetachedQuery(DetachedQuery&& other) noexcept
      : detached_(std::exchange(other.detached_, outrider_detached{})) {}
  OUTRIDER_LOCAL_ DetachedQuery& operator=(DetachedQuery&& other) noexcept {
    if (this != &other) {
      drop();
      detached_ = std::exchange(other.detached_, outrider_detached{});
    }
    return *this;
  }

  /* This thread takes the query up, or puts it down. */
  OUTRIDER_LOCAL_ void attach() noexcept { outrider_detached_attach(&detached_); }
  OUTRIDER_LOCAL_ void release() noexcept { outrider_detached_release(&detached_); }
  /* Ends it, from any thread. */
  OUTRIDER_LOCAL_ void end() noexcept { outrider_detached_end(&detached_); }
  OUTRIDER_LOCAL_ void fail() noexcept { outrider_detached_fail(&detached_); }
  OUTRIDER_LOCAL_ void hit(std::uint64_t n = 1) noexcept { detached_.query.hits += n; }
  OUTRIDER_LOCAL_ void miss(std::uint64_t n = 1) noexcept { detached_.query.misses += n; }

  /* As for Query. */
  OUTRIDER_LOCAL_ bool armed() const noexcept { return (detached_.query.flags & OUTRIDER_ARMED) != 0; }
  OUTRIDER_LOCAL_ bool failed() const noexcept { return (detached_.query.flags & OUTRIDER_FAILED) != 0; }
  OUTRIDER_LOCAL_ std::uint64_t start_ns() const noexcept { return detached_.query.start_ns; }
  OUTRIDER_LOCAL_ std::uint64_t duration_ns() const noexcept { return detached_.query.duration_ns; }
  OUTRIDER_LOCAL_ std::uint64_t id() const noexcept { return detached_.query.id; }
  OUTRIDER_LOCAL_ std::uint64_t hits() const noexcept { return detached_.query.hits; }
  OUTRIDER_LOCAL_ std::uint64_t misses() const noexcept { return detached_.query.misses; }

 private:
  OUTRIDER_LOCAL_ void drop() noexcept {
    if (detached_.query.flags & (OUTRIDER_ARMED | OUTRIDER_TIMED)) {
      fail();
      end();
    }
  }

  outrider_detached detached_;
};

/* A phase of whatever query this thread works on, for as long as the variable lives. */
class Phase {
 public:
  OUTRIDER_LOCAL_ explicit Phase(const char* name) noexcept { outrider_phase_begin(&phase_, name); }
  OUTRIDER_LOCAL_ ~Phase() { outrider_phase_end(&phase_); }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

 private:
  outrider_phase phase_;
};

/* A cache lookup outside any query, or one to be seen under the cache's name. Inside a query prefer Query::hit(). */
OUTRIDER_LOCAL_ inline void cache_hit(const char* name) noexcept { outrider_cache_hit(name); }
OUTRIDER_LOCAL_ inline void cache_miss(const char* name) noexcept { outrider_cache_miss(name); }

OUTRIDER_END_PROVIDER_

}  // namespace outrider

#endif
