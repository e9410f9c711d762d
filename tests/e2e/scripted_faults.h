// What happens to real engines, for scripted-engine: exceptions, children of every kind, exec from a thread, a sandbox,
// and a load whose record outlives a kill. The process has one thread unless it says otherwise; what cannot be done
// ends the process with a message, for it would make a test of nothing.
#pragma once

namespace scripted {

/// `count` times an exception that leaves everything that has probes: nested queries, a phase, and a query that may
/// change threads.
void throws(int count);

/// The queries that throws() makes each time, by type.
inline constexpr int kThrownThrough = 3;  // "thrown": one outermost, the others in it; and one "dropped"

/// `children` processes, each of which runs `count` queries of type `how` and ends. fork: all at the same time; vfork
/// and clone (with the parent's memory, on a stack of its own): one after the other, for they share the parent's
/// variables.
void families(const char* how, int children, int count);

/// `count` processes, each asleep in one query of type `offspring` for so long. They live until this one, which stops
/// itself, is continued.
void offspring(int count, int ms);

/// A query in the middle of which a child is forked, which inherits it and ends without ending it.
void inherit();

/// `count` threads, each in a query that never ends, when this returns.
void crowd(int count);

/// Becomes another program, from a thread that is not the first one.
[[noreturn]] void exec_from_thread(const char* path, char** words);

/// `count` queries that may change threads, all open at the same time, then all ended.
void detached(int count);

/// `count` times a query of type `waiter` waits for one of type `holder`, which goes on for `ms`: by a mutex (`how` is
/// lock) or by a pipe (pipe). Prints the nanoseconds that were waited in all, measured around each wait.
void chain(const char* waiter, const char* holder, const char* how, int ms, int count);

/// Gives up all system calls but a few. strict: all but read, write and exit; the process must then end by leave().
void sandbox(bool strict);
[[noreturn]] void leave();

/// `threads` threads that run queries of type `load` for `ms`, a tenth of which fail. Each counts in its own 64 bytes
/// of the file at `path`, shared with whoever reads it: begun, ended, failed; a kill takes none of that away.
void load(const char* path, int threads, int ms);

}  // namespace scripted
