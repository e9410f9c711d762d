//! Query guards for Rust, over the C ABI of liboutrider-usdt.so (`usdt/include/outrider/usdt_abi.h`). Take this file into
//! your engine; it needs the standard library only, Rust 1.63 or later
//! in an edition to 2021 (2024 wants `unsafe` before `extern "C"`), and `-l outrider-usdt`.
//!
//! While nobody watches, a guard is two calls and no memory. Nothing here fails or blocks; without memory a query goes
//! unreported.

use std::marker::PhantomData;
use std::os::raw::c_char;
use std::ptr::NonNull;
use std::thread;

/// The 26 bytes that are used of a name, and its end.
const NAME_BYTES: usize = 26;

/// What a handle points at is the library's business.
#[repr(C)]
struct RawQuery {
    _opaque: [u8; 0],
}

type Handle = Option<NonNull<RawQuery>>;

#[link(name = "outrider-usdt")]
extern "C" {
    fn outrider_usdt_query_begin(kind: *const c_char) -> Handle;
    fn outrider_usdt_detached_begin(kind: *const c_char) -> Handle;
    fn outrider_usdt_query_attach(query: Handle);
    fn outrider_usdt_query_release(query: Handle);
    fn outrider_usdt_query_fail(query: Handle);
    fn outrider_usdt_query_cache(query: Handle, hits: u64, misses: u64);
    fn outrider_usdt_query_end(query: Handle) -> u64;
}

/// Copies what is used of a Rust string and ends it with the zero that C wants.
fn c_name(name: &str) -> [u8; NAME_BYTES + 1] {
    let mut bytes = [0; NAME_BYTES + 1];
    let used = name.len().min(NAME_BYTES);
    bytes[..used].copy_from_slice(&name.as_bytes()[..used]);
    bytes
}

/// What both kinds of query have in common: a handle, ended once, and whether a panic that is under way is ours.
struct Guard {
    handle: Handle,
    began_in_panic: bool,
}

impl Guard {
    fn new(handle: Handle) -> Guard {
        Guard { handle, began_in_panic: thread::panicking() }
    }

    fn fail(&mut self) {
        // SAFETY: a handle is valid from its begin to its end, which only `drop` calls; the library takes NULL.
        unsafe { outrider_usdt_query_fail(self.handle) }
    }

    fn cache(&mut self, hits: u64, misses: u64) {
        // SAFETY: as in `fail`.
        unsafe { outrider_usdt_query_cache(self.handle, hits, misses) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A guard that a destructor makes while some panic unwinds has not failed by that panic.
        if thread::panicking() && !self.began_in_panic {
            self.fail();
        }
        // SAFETY: the handle is not used again: this is its owner's end.
        unsafe { outrider_usdt_query_end(self.handle) };
    }
}

/// A query of the thread that made it; ends with its scope, failed if a panic leaves that scope. Queries nest. The library
/// wants it to end where it began, so it is neither `Send` nor `Sync`.
pub struct Query {
    guard: Guard,
    _of_this_thread: PhantomData<*const ()>,
}

impl Query {
    /// `kind`: a short word from a small set, never the query's text.
    pub fn begin(kind: &str) -> Query {
        let name = c_name(kind);
        // SAFETY: `name` ends with a zero and is copied before the call returns.
        let handle = unsafe { outrider_usdt_query_begin(name.as_ptr().cast()) };
        Query { guard: Guard::new(handle), _of_this_thread: PhantomData }
    }

    /// The whole of `work` is one query, which has failed if `work` returns an error or panics.
    pub fn run<T, E>(kind: &str, work: impl FnOnce(&mut Query) -> Result<T, E>) -> Result<T, E> {
        let mut query = Query::begin(kind);
        let result = work(&mut query);
        if result.is_err() {
            query.fail();
        }
        result
    }

    pub fn fail(&mut self) {
        self.guard.fail();
    }

    /// Cache lookups inside the query; they cost no trap of their own.
    pub fn cache(&mut self, hits: u64, misses: u64) {
        self.guard.cache(hits, misses);
    }
}

/// A query that may change threads, as async runtimes and worker pools have them. Its maker's thread is on it: `release`
/// before that thread turns to something else, `attach` where the work goes on. Ends when it is dropped, on any thread.
pub struct DetachedQuery {
    guard: Guard,
}

// SAFETY: the library lets any thread use a detached handle, one at a time; every use but the drop needs `&mut`.
unsafe impl Send for DetachedQuery {}

impl DetachedQuery {
    pub fn begin(kind: &str) -> DetachedQuery {
        let name = c_name(kind);
        // SAFETY: as in `Query::begin`.
        DetachedQuery { guard: Guard::new(unsafe { outrider_usdt_detached_begin(name.as_ptr().cast()) }) }
    }

    pub fn attach(&mut self) {
        // SAFETY: as in `Guard::fail`.
        unsafe { outrider_usdt_query_attach(self.guard.handle) }
    }

    pub fn release(&mut self) {
        // SAFETY: as in `Guard::fail`.
        unsafe { outrider_usdt_query_release(self.guard.handle) }
    }

    pub fn fail(&mut self) {
        self.guard.fail();
    }
}
