//! A small engine in Rust that reports its queries through the guards of outrider.rs, and counts them by itself too.
//!
//!     rustc -O engine.rs -L DIR_OF_LIBRARY -o rust-engine && ./rust-engine 2000
//!
//! The argument is the number of queries of each type, 1000 by default. It waits for a line on standard input before its
//! first query, so that a watcher can attach, and prints "TYPE COUNT FAILED" for each type at the end.

mod outrider;

use outrider::{DetachedQuery, Query};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::{env, panic, process, thread};

/// Every so many queries of a type one fails.
const ERROR_EVERY: u64 = 10;
const PANIC_EVERY: u64 = 25;
const DROP_EVERY: u64 = 7;

#[derive(Debug)]
struct NotFound;

/// Count and failures.
type Tally = (u64, u64);

/// Some work, whose result is kept so that the optimiser keeps the work.
fn work(seed: u64) -> u64 {
    static RESULTS: AtomicU64 = AtomicU64::new(0);
    let sum = (0..2000).fold(seed, |sum: u64, step| sum.wrapping_mul(31).wrapping_add(step));
    RESULTS.fetch_xor(sum, Ordering::Relaxed);
    sum
}

fn lookup(number: u64) -> Result<u64, NotFound> {
    Query::run("lookup", |query| {
        query.cache(1, 1);
        if number % ERROR_EVERY == 0 {
            return Err(NotFound);
        }
        Ok(work(number))
    })
}

/// `?` leaves the query early; it counts as failed all the same. The lookup inside is a query of its own.
fn path(number: u64) -> Result<u64, NotFound> {
    Query::run("path", |_| Ok(work(number) ^ lookup(number)?))
}

fn scan(number: u64) -> u64 {
    let _query = Query::begin("scan");
    assert!(number % PANIC_EVERY != 0, "page {number} is broken");
    work(number)
}

/// A server lives on when a query panics; so does this thread.
fn scan_isolated(number: u64) -> bool {
    panic::catch_unwind(|| scan(number)).is_ok()
}

/// Begun here, ended by a worker, as in an async runtime.
fn handed_over(queries: u64) -> Tally {
    let (sender, receiver) = mpsc::channel::<(u64, DetachedQuery)>();
    let worker = thread::spawn(move || {
        let mut failed = 0;
        for (number, mut query) in receiver {
            query.attach();
            work(number);
            if number % DROP_EVERY == 0 {
                query.fail();
                failed += 1;
            }
        }
        failed
    });
    for number in 1..=queries {
        let mut query = DetachedQuery::begin("handed_over");
        work(number);
        query.release();
        sender.send((number, query)).expect("the worker waits for as long as there is a sender");
    }
    drop(sender);
    (queries, worker.join().expect("the worker does not panic"))
}

fn count(queries: u64, mut run: impl FnMut(u64) -> bool) -> Tally {
    let failed = (1..=queries).filter(|&number| !run(number)).count();
    (queries, failed as u64)
}

/// `path` looks up as well, and fails as its lookup does.
fn nested(queries: u64) -> Vec<(&'static str, Tally)> {
    let paths = count(queries, |number| path(number).is_ok());
    vec![("path", paths), ("lookup", paths)]
}

fn run(queries: u64) -> BTreeMap<&'static str, Tally> {
    let threads = [
        thread::spawn(move || vec![("lookup", count(queries, |number| lookup(number).is_ok()))]),
        thread::spawn(move || nested(queries)),
        thread::spawn(move || vec![("scan", count(queries, scan_isolated))]),
        thread::spawn(move || vec![("handed_over", handed_over(queries))]),
    ];
    let mut tallies = BTreeMap::new();
    for thread in threads {
        for (kind, (count, failed)) in thread.join().expect("every panic is caught") {
            let tally: &mut Tally = tallies.entry(kind).or_default();
            *tally = (tally.0 + count, tally.1 + failed);
        }
    }
    tallies
}

fn queries_wanted() -> Result<u64, String> {
    match env::args().nth(1) {
        None => Ok(1000),
        Some(word) => word.parse().map_err(|_| format!("'{word}' is not a number of queries")),
    }
}

fn main() -> io::Result<()> {
    let queries = queries_wanted().unwrap_or_else(|problem| {
        eprintln!("{problem}");
        process::exit(2)
    });
    panic::set_hook(Box::new(|_| {})); // they are part of the play
    println!("ready pid={}", process::id());
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;
    for (kind, (count, failed)) in run(queries) {
        println!("{kind} {count} {failed}");
    }
    Ok(())
}
