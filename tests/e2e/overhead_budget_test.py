"""--mode auto keeps to its budget by its own account: it sheds in order and says so, goes on reporting, marks what it
estimates, and takes everything back when the probes have become cheap. Judged by what it reports, not by the clock."""

import re

import harness

BUDGET = 1.0
LIGHT = "light: end probes only"
DUTY = "query probes attached 1 interval in"
BACK = "the load fell"


class OverheadBudget(harness.Case):
    def truth(self, engine):
        """Queries by the engine's own summary."""
        return sum(int(found[1]) for line in engine.err if (found := re.match(r"\w+ +count +(\d+)", line)))

    def announcements(self, watch):
        return [line for line in watch.err if " warning " in line and ("budget" in line or BACK in line)]

    def cost_share(self, lines):
        """Percent of the target's CPU over several snapshots."""
        cpu = cost = 0.0
        for line in lines:
            used = (line["target_metrics"]["cpu_cores"] or 0) * line["interval_seconds"]
            cpu += used
            cost += used * (line["overhead"]["percent_of_target_cpu"] or 0) / 100
        return 100 * cost / cpu

    def test_it_sheds_in_order_stays_inside_and_comes_back(self):
        # Microseconds a query at first; after 35 s few, of milliseconds each: cheap to watch again. Where a probe hit is
        # dear the engine is looked at every ten seconds only: there are three looks at least, and it takes a while to see
        # that the load fell.
        engine = self.engine("--rate", 20_000, "--arrivals", "fixed", "--threads", 2, "--workload", "tiny",
                             "--duration", 68, "--fault", "drop:99.5@35", "--fault", "spin:8@35", record=False,
                             preexec_fn=harness.real_time)
        watch = self.watch("--pid", engine.pid, "--interval", "100ms", "--mode", "auto", budget=f"{BUDGET}%")
        engine.release()
        engine.finish(2 * harness.PATIENCE_SECONDS)
        summary = next(iter(watch.end().values()))
        said = self.announcements(watch)
        self.assert_order(said)
        snapshots = watch.snapshots()
        first_pause = next(i for i, line in enumerate(snapshots) if line["overhead"]["mode"] == "paused")
        self.assert_marked_as_estimates(snapshots[first_pause:] + [summary])
        self.assertNotIn("estimated", snapshots[0])
        self.assert_inside_and_never_quiet(snapshots, first_pause)
        total, truth = summary["query_metrics"]["total_queries"], self.truth(engine)
        self.assertAlmostEqual(total, truth, delta=0.25 * truth)
        self.assertEqual(snapshots[-2]["overhead"]["mode"], "full", watch.describe())
        self.assertIsNotNone(snapshots[-2]["query_metrics"]["current_concurrent"])

    def assert_order(self, said):
        kinds = [next(kind for kind in (BACK, LIGHT, DUTY) if kind in line) for line in said]
        self.assertEqual(kinds[:2], [LIGHT, DUTY], said)
        self.assertGreaterEqual(kinds.count(BACK), 2, said)  # from the duty cycle, from light
        self.assertRegex(said[-1], "the load fell.*all probes attached")
        self.assertRegex(said[0], rf"the probes cost \d+\.\d % of the target's CPU, more than the budget of {BUDGET} %")

    def assert_marked_as_estimates(self, lines):
        for line in lines:
            self.assertTrue(line.get("estimated"), line)
        for line in lines[:-1]:
            self.assertEqual(line["overhead"]["sampled_share"], 0 if line["overhead"]["mode"] == "paused" else 1)
        self.assertTrue(0 < lines[-1]["overhead"]["sampled_share"] < 1)

    def assert_inside_and_never_quiet(self, snapshots, first_pause):
        """Over the duty cycles, between settling and the fall of the load (which the engine's CPU shows)."""
        settled = snapshots[first_pause + 10:]
        busy = [line for line in settled if line["query_metrics"]["queries_per_second"] > 5000]
        self.assertGreater(len(busy), 20)
        modes = [line["overhead"]["mode"] for line in busy]
        attached = [i for i, mode in enumerate(modes) if mode == "light"]
        whole_cycles = busy[attached[0]:attached[-1]]
        # Three looks of a tenth of a second, on a machine whose traps' price drifts, are a rough measure; attached all the
        # time the probes would cost ten times the budget and more.
        self.assertLessEqual(self.cost_share(whole_cycles), 2 * BUDGET)
        self.assertEqual(set(modes), {"light", "paused"})
        self.assertLessEqual(max(len(run) for run in re.split("l", "".join(mode[0] for mode in modes))), 100)
        for line in busy:
            if line["overhead"]["mode"] == "paused":
                reasons = " ".join(line["losses"]["unavailable"])
                self.assertIn("budget", reasons)

    def test_what_the_user_chose_is_kept(self):
        for options, budget, mode in ((("--mode", "full"), f"{BUDGET}%", "full"), (("--mode", "auto"), "off", "full"),
                                      (("--mode", "light"), f"{BUDGET}%", "light")):
            with self.subTest(options):
                engine = self.engine("--rate", 0, "--threads", 2, "--workload", "tiny", "--queries", 200_000)
                watch = self.watch("--pid", engine.pid, "--interval", "100ms", *options, budget=budget)
                engine.release()
                rows = engine.finish()
                summary = next(iter(watch.end().values()))
                self.assertEqual(self.announcements(watch), [])
                self.assertEqual({line["overhead"]["mode"] for line in watch.snapshots()}, {mode})
                self.assertNotIn("estimated", summary)
                self.assert_counts_equal(rows, summary)
                self.assertGreater(summary["overhead"]["percent_of_target_cpu"], BUDGET)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
