"""A watched process may be wrong or lie: names that are no text, a type at an address that is none, durations longer
than the machine runs, more cache hits than there can be, ends that never began. What is impossible is dropped and
counted, every output stays well-formed, and the honest queries beside it are counted to the last. About 10 s."""

import unicodedata

import harness

LONG = 2 ** 64 - 1
# No UTF-8, C1's CSI, a line end, an escape; cut at 26 bytes like every name.
FOREIGN = "\udcff\x9b2J\n\x1b]0;x\x07\u202e"
SHOWN = "\ufffd\x9b2J\n\x1b]0;x\x07\u202e"
HONEST = 300


class Lies(harness.Case):
    def told(self, *words, mode="full", watch=()):
        engine = self.scripted("query", "honest", HONEST, *words, "query", "honest", HONEST)
        watcher = self.watch("--pid", engine.pid, "--mode", mode, "--interval", "500ms", *watch)
        engine.release()
        engine.finish()
        summaries = watcher.end()
        self.assertEqual(len(summaries), 1, watcher.describe())
        summary = next(iter(summaries.values()))
        types = summary["query_metrics"]["query_type_breakdown"]
        self.assertEqual(types["honest"]["count"], 2 * HONEST)
        for snapshot in watcher.lines:
            self.assert_possible(snapshot)
        return summary, {name: one["count"] for name, one in types.items() if name not in ("honest", "other")}

    def assert_possible(self, snapshot):
        """A script of some milliseconds had no query of a minute."""
        queries = snapshot["query_metrics"]
        for figure in ("avg", "p50", "p95", "p99", "max"):
            self.assertLess(queries[f"{figure}_response_time_seconds"] or 0, 60)
        for share in (queries["success_rate"], queries["error_rate"], snapshot["cache_metrics"]["hit_rate"]):
            if share is not None:
                self.assertTrue(0 <= share <= 1, share)
        self.assertTrue(0 <= snapshot["health_score"] <= 100)

    def test_impossible_figures(self):
        summary, types = self.told("lie", "long", 1, LONG, 0, "lie", "hits", 1, 1000, LONG, "lie", "cached", 1, 1000, 3)
        self.assertEqual(types, {"long": 1, "hits": 1, "cached": 1})
        self.assertEqual(summary["losses"]["argument_read"], 2)
        self.assertEqual((summary["cache_metrics"]["hits"], summary["cache_metrics"]["misses"]), (3, 0))
        self.assertEqual(summary["query_metrics"]["total_queries"], 2 * HONEST + 3)

    def test_impossible_figures_in_light_mode(self):
        summary, types = self.told("lie", "long", 1, LONG, 0, "lie", "good", 1, 1000, 0, mode="light")
        self.assertEqual(types, {"good": 1})  # there is no other time for the first one
        self.assertEqual(summary["losses"]["argument_read"], 1)

    def test_an_end_that_began_in_the_future(self):
        """Its duration reaches to before the machine's start, or wraps round: no query whose start was missed."""
        summary, types = self.told("end", "wrapped", 2 ** 53, "end", "long", LONG)
        self.assertEqual(types, {})
        self.assertEqual(summary["losses"]["unmatched_end"], 2)

    def test_names(self):
        summary, types = self.told("lie", FOREIGN, 1, 1000, 0, "lie", "x" * 10_000, 1, 1000, 0, "lie", "@1", 1, 1000, 0,
                                   "lie", "@0xffffffff81000000", 1, 1000, 0, "lie", "", 1, 1000, 0)
        self.assertEqual(types.pop(SHOWN), 1)
        self.assertEqual(types.pop("UNKNOWN"), 3)  # two addresses that cannot be read, and no name
        (cut, count), = types.items()
        self.assertEqual((cut.strip("x"), count), ("", 1))
        self.assertLess(len(cut), 32)
        self.assertEqual(summary["losses"]["argument_read"], 3)

    def test_depths(self):
        """A depth that no stack has: nested, so that it is no query of its own in the totals."""
        summary, types = self.told("lie", "deep", LONG, 1000, 0)
        self.assertEqual(types, {"deep": 1})
        self.assertEqual(summary["query_metrics"]["total_queries"], 2 * HONEST)

    def test_no_name_steers_the_terminal(self):
        engine = self.scripted("query", FOREIGN, 3, "sleeps", 1200, 0, 1)
        watcher = harness.Child([harness.OUTRIDER, "watch", "--pid", engine.pid, "--by-type", "--interval", "500ms"])
        self.addCleanup(watcher.kill)
        watcher.await_line(watcher.err, "attached to", harness.ATTACH_SECONDS)
        engine.release()
        engine.finish()
        self.assertEqual(watcher.wait(), 0, watcher.describe())
        text = "".join(watcher.out + watcher.err)
        self.assertIn("\\x9b2J\\x0a\\x1b]0;x\\x07", text)
        self.assertEqual([c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")], [])

    def test_no_name_is_a_line_of_the_log(self):
        forged = "/nowhere\n2026-01-01T00:00:00+0000 info all is well\x1b]0;x\x07"
        done = harness.Child([harness.OUTRIDER, "probes", "--exe", forged])
        self.addCleanup(done.kill)
        self.assertNotEqual(done.wait(), 0)
        self.assertTrue(done.err[1].startswith("  2026-01-01T00:00:00+0000 info all is well\\x1b]0;x\\x07: "), done.err)
        self.assertEqual([c for c in "".join(done.err) if unicodedata.category(c) == "Cc"], [])


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
