"""An engine in Rust, by the guards of usdt/example/rust over the C ABI: counts and failures by type are those that it says
itself, whether a query fails by an error, a panic or in a thread that it was handed to."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import harness

SOURCES = harness.SOURCE / "usdt" / "example" / "rust"
LIBRARY = harness.BUILD / "usdt" / "lib"
QUERIES = 700  # of each type; 70 errors, 28 panics and 100 dropped


def build(directory):
    """Compiles the example with nothing but rustc."""
    engine = pathlib.Path(directory) / "rust-engine"
    subprocess.run(["rustc", "--edition", "2021", "-O", "-D", "warnings", SOURCES / "engine.rs", "-L", LIBRARY, "-C",
                    f"link-arg=-Wl,-rpath,{LIBRARY}", "-o", engine], check=True, timeout=300)
    return engine


class Rust(harness.Case):
    @classmethod
    def setUpClass(cls):
        built = tempfile.TemporaryDirectory(prefix="outrider-rust-", dir="/var/tmp")
        cls.addClassCleanup(built.cleanup)
        cls.binary = build(built.name)

    def engine_waits(self):
        engine = harness.Child([self.binary, QUERIES], stdin=subprocess.PIPE)
        self.addCleanup(engine.kill)
        engine.await_line(engine.out, f"ready pid={engine.pid}", harness.PATIENCE_SECONDS)
        return engine

    def go(self, engine):
        """Lets it run; returns what it says of itself: {type: (count, failed)}."""
        engine.process.stdin.write("\n")
        engine.process.stdin.close()
        self.assertEqual(engine.wait(), 0, engine.describe())
        return {kind: (int(count), int(failed)) for kind, count, failed in map(str.split, engine.out[1:])}

    # What the source says by hand: every 10th lookup and so every 10th path, every 25th scan, every 7th handed over.
    EXPECTED = {"lookup": (2 * QUERIES, 2 * QUERIES // 10), "path": (QUERIES, QUERIES // 10),
                "scan": (QUERIES, QUERIES // 25), "handed_over": (QUERIES, QUERIES // 7)}

    def test_counts_and_failures_are_its_own(self):
        engine = self.engine_waits()
        watch = self.watch("--pid", engine.pid)
        self.assertEqual(self.go(engine), self.EXPECTED)
        summary = watch.stop_one() if watch.running else next(iter(watch.end().values()))
        self.assertEqual(harness.losses(summary), 0, summary["losses"])
        figures = summary["query_metrics"]
        ours = {name: (part["count"], part["failed"]) for name, part in figures["query_type_breakdown"].items()
                if part["count"]}
        self.assertEqual(ours, self.EXPECTED)
        # A lookup inside a path is no query of the engine's: 4 types, and half of the lookups.
        self.assertEqual(figures["total_queries"], 4 * QUERIES)
        self.assertEqual(figures["abandoned_queries"], 0)
        # Each lookup says one hit and one miss.
        self.assertEqual((summary["cache_metrics"]["hits"], summary["cache_metrics"]["misses"]),
                         (2 * QUERIES, 2 * QUERIES))

    def test_it_runs_unwatched(self):
        self.assertEqual(self.go(self.engine_waits()), self.EXPECTED)

    def test_guards_of_a_thread_stay_there(self):
        """The compiler refuses a Query that is sent to another thread: the library could not end it there."""
        wrong = self.directory / "wrong.rs"
        wrong.write_text(f"""#[allow(dead_code)]
#[path = "{SOURCES / 'outrider.rs'}"]
mod outrider;
fn main() {{
    let query = outrider::Query::begin("lookup");
    std::thread::spawn(move || drop(query));
}}
""", encoding="utf-8")
        done = subprocess.run(["rustc", "--edition", "2021", "--emit", "metadata", "--out-dir", self.directory, wrong],
                              capture_output=True, text=True, timeout=300, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"cannot be sent between threads safely")


if __name__ == "__main__":
    if shutil.which("rustc") is None:
        harness.skip("rustc is not installed")
    if not os.path.exists(LIBRARY / "liboutrider-usdt.so"):
        raise SystemExit(f"{LIBRARY} has no liboutrider-usdt.so; build it first")
    harness.require_kernel()
    harness.main()
