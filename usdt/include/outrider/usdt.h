/* Static probes of a query engine: what an engine includes to be watched from outside.
 *
 * Dependency-free (no library, no system header but <stdint.h>), for C99 and later and for C++11 and later. The
 * contract (names, arguments, promises) is usdt/PROBES.md. Most engines want query.h (C) or query.hpp (C++) instead,
 * which call what is here.
 *
 * Provider: the engine's own name, a plain identifier, defined before the first include of any Outrider header:
 *     #define OUTRIDER_PROVIDER myengine
 * and the same in every source file of one engine.
 *
 * Thread-safety: everything here may be called from any thread. Errors: there are none; a probe that nobody watches is
 * skipped. Cost: OUTRIDER_PROBE_ENABLED is one load; an emitter without a watcher is two nops, with one a trap.
 *
 * On anything but 64-bit Linux on x86-64 or arm64 all of this compiles to nothing. */
#ifndef OUTRIDER_USDT_H
#define OUTRIDER_USDT_H

#include <stdint.h>

#ifndef OUTRIDER_PROVIDER
#define OUTRIDER_PROVIDER outrider
#endif

#define OUTRIDER_NAME_BYTES 26u /* what watchers use of a type or a name, without its NUL */

#define OUTRIDER_CAT_(a, b) a##b
#define OUTRIDER_CAT(a, b) OUTRIDER_CAT_(a, b)
#define OUTRIDER_STR_(a) #a
#define OUTRIDER_STR(a) OUTRIDER_STR_(a)

#if defined(__linux__) && defined(__ELF__) && defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))
#define OUTRIDER_PROBES_AVAILABLE 1
#else
#define OUTRIDER_PROBES_AVAILABLE 0
#endif

/* An emitter must stay one function with one site: inlined or cloned it would multiply the sites, and a constant
 * propagated into a clone would change where its arguments are. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define OUTRIDER_NOINLINE_ __attribute__((noipa))
#elif defined(__GNUC__)
#define OUTRIDER_NOINLINE_ __attribute__((noinline))
#else
#define OUTRIDER_NOINLINE_
#endif

/* C has one private copy of a function per source file. C++ has one per link unit: inline functions, in a namespace
 * named after the provider so that two providers in one program are never merged, and hidden so that a shared library
 * never ends up in another library's copy, whose semaphores are not its own. */
#ifdef __cplusplus
#define OUTRIDER_BEGIN_DECLS_ inline namespace OUTRIDER_CAT(outrider_provider_, OUTRIDER_PROVIDER) {
#define OUTRIDER_END_DECLS_ }
#define OUTRIDER_EXTERN_C_BEGIN_ extern "C" {
#define OUTRIDER_CAST_(type, value) static_cast<type>(value)
#define OUTRIDER_ADDRESS_(pointer) reinterpret_cast<uintptr_t>(pointer)
#define OUTRIDER_EXTERN_C_END_ }
#if defined(__GNUC__)
#define OUTRIDER_LOCAL_ __attribute__((visibility("hidden")))
#else
#define OUTRIDER_LOCAL_
#endif
#define OUTRIDER_FN_ OUTRIDER_LOCAL_ inline
#define OUTRIDER_OUTLINE_FN_ OUTRIDER_NOINLINE_ OUTRIDER_LOCAL_ inline
#else
#define OUTRIDER_BEGIN_DECLS_
#define OUTRIDER_END_DECLS_
#define OUTRIDER_EXTERN_C_BEGIN_
#define OUTRIDER_CAST_(type, value) ((type)(value))
#define OUTRIDER_ADDRESS_(pointer) ((uintptr_t)(pointer))
#define OUTRIDER_EXTERN_C_END_
#if defined(__GNUC__)
#define OUTRIDER_FN_ static inline __attribute__((unused))
#define OUTRIDER_OUTLINE_FN_ static OUTRIDER_NOINLINE_ __attribute__((unused))
#else
#define OUTRIDER_FN_ static inline
#define OUTRIDER_OUTLINE_FN_ static
#endif
#endif

#if OUTRIDER_PROBES_AVAILABLE

#define OUTRIDER_SEMAPHORE_(name) OUTRIDER_CAT(OUTRIDER_CAT(OUTRIDER_PROVIDER, _##name), _semaphore)

/* Watchers raise a probe's semaphore through its file offset, which the note carries. Weak: exactly one per link unit,
 * however many source files include this. Volatile: the kernel writes it. Used: only the note refers to some of them.
 */
#define OUTRIDER_DEFINE_SEMAPHORE_(name)                                                                             \
  extern volatile unsigned short OUTRIDER_SEMAPHORE_(name);                                                          \
  __attribute__((weak, used, visibility("hidden"), section(".probes"))) volatile unsigned short OUTRIDER_SEMAPHORE_( \
      name) = 0;

OUTRIDER_EXTERN_C_BEGIN_
OUTRIDER_DEFINE_SEMAPHORE_(query__start)
OUTRIDER_DEFINE_SEMAPHORE_(query__end)
OUTRIDER_DEFINE_SEMAPHORE_(query__switch)
OUTRIDER_DEFINE_SEMAPHORE_(phase__start)
OUTRIDER_DEFINE_SEMAPHORE_(phase__end)
OUTRIDER_DEFINE_SEMAPHORE_(cache__hit)
OUTRIDER_DEFINE_SEMAPHORE_(cache__miss)
OUTRIDER_EXTERN_C_END_

/* Non-zero while somebody watches that probe. */
#define OUTRIDER_PROBE_ENABLED(name) __builtin_expect(OUTRIDER_SEMAPHORE_(name) != 0, 0)
#define OUTRIDER_EITHER_ENABLED(name1, name2) \
  __builtin_expect((OUTRIDER_SEMAPHORE_(name1) | OUTRIDER_SEMAPHORE_(name2)) != 0, 0)

#define OUTRIDER_SEMAPHORE_STR_(name) OUTRIDER_STR(OUTRIDER_SEMAPHORE_(name))

/* The site. x86-64: a 1-byte nop, which every kernel can trap on, then the one 10-byte nop that fixed kernels can turn
 * into a call without touching the red zone. A 5-byte nop is never emitted: kernels 6.18 to 7.1 corrupt memory there.
 * The instruction after it does nothing and names the semaphore: it keeps linkers from folding two emitters into one
 * (identical code folding compares relocations) and the semaphore from being collected. */
#if defined(__x86_64__)
#define OUTRIDER_SITE_(semaphore)                                      \
  "990: .byte 0x90\n"                                                  \
  ".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00\n" \
  ".byte 0x0f, 0x1f, 0x05\n"                                           \
  ".long " semaphore " - . - 4\n"
#else
#define OUTRIDER_SITE_(semaphore) \
  "990: nop\n"                    \
  "adrp xzr, " semaphore "\n"
#endif

/* The note, in the format that SystemTap defined and bpftrace, perf and gdb read. Section flag "?": the note joins the
 * group of an inline function's section, and is dropped with the copies that the linker drops. `.stapsdt.base` lets
 * readers find out whether prelink moved the file. */
#define OUTRIDER_NOTE_(name, semaphore, arguments) \
  ".pushsection .note.stapsdt,\"?\",\"note\"\n"                     \
  ".balign 4\n"                                                     \
  ".4byte 992f - 991f, 994f - 993f, 3\n"                            \
  "991: .asciz \"stapsdt\"\n"                                       \
  "992: .balign 4\n"                                                \
  "993: .8byte 990b\n"                                              \
  ".8byte _.stapsdt.base\n"                                         \
  ".8byte " semaphore                                               \
  "\n"                                                              \
  ".asciz \"" OUTRIDER_STR(OUTRIDER_PROVIDER) "\"\n"                \
  ".asciz \"" name "\"\n"                                           \
  ".asciz \"" arguments "\"\n"                                      \
  "994: .balign 4\n"                                                \
  ".popsection\n"                                                   \
  ".ifndef _.stapsdt.base\n"                                        \
  ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
  ".weak _.stapsdt.base\n"                                          \
  ".hidden _.stapsdt.base\n"                                        \
  "_.stapsdt.base: .space 1\n"                                      \
  ".size _.stapsdt.base, 1\n"                                       \
  ".popsection\n"                                                   \
  ".endif\n"

/* In C an object of each source file's own, which its emitters refer to: otherwise a linker that folds identical code
 * would leave one site with the notes of two, and a watcher would see each event twice. */
#ifdef __cplusplus
#define OUTRIDER_UNIT_OPERAND_
#else
static char outrider_unit_ __attribute__((unused));
#define OUTRIDER_UNIT_OPERAND_ , "r"(&outrider_unit_)
#endif

/* "nr": a number or a register, and nothing that a reader of notes could not follow ("nor" yields SIB and
 * symbol(%rip) operands). The memory clobber keeps the engine's stores before the probe that shows them. */
#define OUTRIDER_EMIT_(name, arguments, ...)                                               \
  __asm__ __volatile__(OUTRIDER_SITE_(OUTRIDER_SEMAPHORE_STR_(name))                       \
                           OUTRIDER_NOTE_(#name, OUTRIDER_SEMAPHORE_STR_(name), arguments) \
                       :                                                                   \
                       : __VA_ARGS__ OUTRIDER_UNIT_OPERAND_                                \
                       : "memory")

#else /* no probes on this system */

#define OUTRIDER_PROBE_ENABLED(name) 0
#define OUTRIDER_EITHER_ENABLED(name1, name2) 0

#endif

OUTRIDER_BEGIN_DECLS_

#if OUTRIDER_PROBES_AVAILABLE
/* Reads a string before it is handed over. A probe's program cannot wait for a page fault, and a literal that nobody
 * ever read lies on a page that may not be there yet: its name would arrive empty. */
OUTRIDER_FN_ void outrider_touch_(const char *text) {
  const volatile char *at = text;
  unsigned i;

  if (!text || !*at) return;
  if ((OUTRIDER_ADDRESS_(text) & 4095u) <= 4096u - OUTRIDER_NAME_BYTES) return;
  for (i = 1; i < OUTRIDER_NAME_BYTES && at[i]; i++) {
  }
}
#endif

/* One emitter per probe of the contract. Each passes its probe whether or not somebody watches: ask
 * OUTRIDER_PROBE_ENABLED first. Strings are NUL-terminated and need to live only until the call returns. */

/* A query began. depth: 1 for the outermost query of its thread, 2 and up nested in it. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_query_start(uint64_t id, const char *type, uint64_t depth) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(type);
  OUTRIDER_EMIT_(query__start, "8@%0 8@%1 8@%2", "nr"(id), "nr"(type), "nr"(depth));
#else
  (void)id, (void)type, (void)depth;
#endif
}

/* A query ended. status: 0 is success. duration_ns: CLOCK_MONOTONIC. hits and misses: cache lookups inside it. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_query_end(uint64_t id, const char *type, int64_t status, uint64_t duration_ns,
                                                  uint64_t depth, uint64_t hits, uint64_t misses) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(type);
  OUTRIDER_EMIT_(query__end, "8@%0 8@%1 -8@%2 8@%3 8@%4 8@%5 8@%6", "nr"(id), "nr"(type), "nr"(status),
                 "nr"(duration_ns), "nr"(depth), "nr"(hits), "nr"(misses));
#else
  (void)id, (void)type, (void)status, (void)duration_ns, (void)depth, (void)hits, (void)misses;
#endif
}

/* The calling thread now works on detached query `id`; 0: on none. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_query_switch(uint64_t id) {
#if OUTRIDER_PROBES_AVAILABLE
  OUTRIDER_EMIT_(query__switch, "8@%0", "nr"(id));
#else
  (void)id;
#endif
}

/* A phase of a query began on this thread. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_phase_start(const char *name) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(name);
  OUTRIDER_EMIT_(phase__start, "8@%0", "nr"(name));
#else
  (void)name;
#endif
}

/* A phase of a query ended on this thread. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_phase_end(const char *name) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(name);
  OUTRIDER_EMIT_(phase__end, "8@%0", "nr"(name));
#else
  (void)name;
#endif
}

/* A lookup in cache `name` found its entry. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_cache_hit(const char *name) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(name);
  OUTRIDER_EMIT_(cache__hit, "8@%0", "nr"(name));
#else
  (void)name;
#endif
}

/* A lookup in cache `name` did not find its entry. */
OUTRIDER_OUTLINE_FN_ void outrider_emit_cache_miss(const char *name) {
#if OUTRIDER_PROBES_AVAILABLE
  outrider_touch_(name);
  OUTRIDER_EMIT_(cache__miss, "8@%0", "nr"(name));
#else
  (void)name;
#endif
}

OUTRIDER_END_DECLS_

#endif
