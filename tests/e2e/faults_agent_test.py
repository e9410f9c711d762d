"""What happens to the agent is nothing to its victim: killed at any time it leaves no probe, no semaphore and nothing
in the kernel; stopped it loses nothing; two of them on one engine count the same, whatever becomes of either."""

import collections
import signal
import time

import fault_harness
import harness
from service_harness import ServiceCase

STOPPED_SECONDS = 60 if harness.LONG else 10
RATE, QUERIES = 2000, 6000
LOAD = ("--seed", 11, "--fault", "errors:10@0")
STEADY = (*LOAD, "--arrivals", "fixed", "--rate", RATE)


def outcome(rows):
    return collections.Counter((row.type, row.ok) for row in rows)


class Victims(ServiceCase):
    """Engines whose record is known: the same seed makes the same queries, watched or not."""

    def unwatched(self, queries):
        engine = self.engine(*LOAD, "--rate", 0, "--queries", queries, hold=False, delay=0)
        return outcome(engine.finish())

    def await_load(self, engine, seconds):
        """So long after the load began, by the engine's own delay of one second."""
        time.sleep(max(0, engine.released_ns / 1e9 + 1 + seconds - time.monotonic()))

    def service(self, engine):
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        return agent


class Killed(Victims):
    def setUp(self):
        super().setUp()
        self.truth = self.unwatched(QUERIES)
        self.assertEqual(sum(self.truth.values()), QUERIES)

    def kill_while(self, start):
        """Kills -9 the agent that start(engine) started, in the middle of the load; then looks for what it left."""
        engine = self.engine(*STEADY, "--queries", QUERIES)
        sites = fault_harness.Sites(engine.pid, harness.ENGINE)
        before = sites.code()
        self.assertTrue(sites.untouched(before), "somebody else watches this engine")
        agent = start(engine)
        def probed():
            return all(before[key] != code for key, code in sites.code().items() if key[0].startswith("query__"))
        harness.wait_until(probed, harness.PATIENCE_SECONDS, lambda: f"probes on the queries: {agent.describe()}")
        semaphores = sites.semaphores()
        self.assertTrue(semaphores["query__start"] and semaphores["query__end"], semaphores)
        engine.release()
        self.await_load(engine, 1)
        held = fault_harness.KernelObjects(agent.pid)
        for kind in fault_harness.KernelObjects.KINDS:
            self.assertTrue(held.ids[kind], f"the agent has no {kind}")
        self.assertTrue(held.left(), "what it has is not known by its ids")
        agent.signal(signal.SIGKILL)
        self.assertEqual(agent.wait(), -signal.SIGKILL)
        harness.wait_until(lambda: sites.untouched(before), 30,
                           lambda: f"left in the engine: {sites.semaphores()} {sites.code()}")
        self.assertTrue(engine.running)
        self.assertEqual(outcome(engine.finish()), self.truth)
        held.assert_gone()

    def test_a_watch(self):
        self.kill_while(lambda engine: self.watch("--pid", engine.pid))

    def test_a_watch_by_perf_events(self):
        self.kill_while(lambda engine: self.watch("--pid", engine.pid, "--uprobes", "perf"))

    def test_a_service(self):
        self.kill_while(self.service)

    def test_a_recording(self):
        def record(engine):
            flame = harness.Child([harness.OUTRIDER, "flame", "--pid", engine.pid, "--for", "60s"])
            self.addCleanup(flame.kill)
            return flame
        self.kill_while(record)

    def test_a_watch_that_was_stopped_first(self):
        def stopped(engine):
            watch = self.watch("--pid", engine.pid)
            watch.signal(signal.SIGSTOP)
            return watch
        self.kill_while(stopped)


class Stopped(Victims):
    def test_nothing_is_lost_while_the_agents_are_stopped(self):
        """A watch and a service, on an engine that forks, starts threads and abandons queries meanwhile."""
        seconds = STOPPED_SECONDS + 4
        engine = self.engine(*STEADY, "--duration", seconds, "--forks", 20 * seconds, "--spawn", 20, "--longjmp", 3)
        sites = fault_harness.Sites(engine.pid, harness.ENGINE)
        watch, agent = self.watch("--pid", engine.pid), self.service(engine)
        engine.release()
        self.await_load(engine, 1)
        for one in (watch, agent):
            one.signal(signal.SIGSTOP)
        for one in (watch, agent):
            harness.wait_until(lambda: fault_harness.process_state(one.pid) == "T", 30, "the agent's stop")
        watched = sites.code()
        time.sleep(STOPPED_SECONDS)
        self.assertEqual(sites.code(), watched, "the probes have not stayed as they were")
        self.assertTrue(engine.running)
        for one in (watch, agent):
            one.signal(signal.SIGCONT)
        rows = engine.finish()
        self.assertGreater(engine.abandoned(), RATE * seconds // 100)
        snapshot = agent.await_total("engine", len(rows))
        summary = next(iter(watch.end().values()))
        for figures in (summary, snapshot):
            self.assert_counts_equal(rows, figures)
            self.assertEqual(figures["query_metrics"]["total_queries"], len(rows))
        self.assertEqual(summary["query_metrics"]["abandoned_queries"], engine.abandoned())
        self.assertEqual(sum(line["query_metrics"]["interval_queries"] for line in watch.snapshots()), len(rows))
        # The service says that it took no readings then; a watch has one long interval.
        self.assertGreaterEqual(agent.json("/api/v1/agent")["missed_intervals"], STOPPED_SECONDS * 5 - 5)
        self.assertGreater(max(line["interval_seconds"] for line in watch.snapshots()), STOPPED_SECONDS - 1)
        self.assertLess(agent.end(), 5)
        print(f"agents stopped for {STOPPED_SECONDS} s: {len(rows)} queries, none lost")


class Several(Victims):
    def test_two_count_the_same(self):
        for ways in (("auto", "auto"), ("auto", "perf")):
            with self.subTest(ways):
                engine = self.engine(*LOAD, "--rate", 0, "--queries", 20_000)
                watches = [self.watch("--pid", engine.pid, "--uprobes", way) for way in ways]
                engine.release()
                rows = engine.finish()
                for watch in watches:
                    self.assert_counts_equal(rows, next(iter(watch.end().values())))

    def test_whoever_goes_leaves_the_others_intact(self):
        """One is ended, one killed and one comes, all in the middle of the load; who stays counts everything."""
        engine = self.engine(*STEADY, "--duration", 5)
        sites = fault_harness.Sites(engine.pid, harness.ENGINE)
        stays = self.watch("--pid", engine.pid)
        ended = self.watch("--pid", engine.pid)
        killed = self.watch("--pid", engine.pid, "--uprobes", "perf")
        engine.release()
        self.await_load(engine, 1)
        early = ended.stop_one()
        self.assertEqual(harness.losses(early), 0)
        self.assertGreater(early["query_metrics"]["total_queries"], RATE // 2)
        held = fault_harness.KernelObjects(killed.pid)
        killed.signal(signal.SIGKILL)
        killed.wait()
        held.assert_gone()
        semaphores = sites.semaphores()
        self.assertTrue(semaphores["query__start"] and semaphores["query__end"], semaphores)
        comes = self.watch("--pid", engine.pid)
        attached = time.monotonic_ns()
        rows = engine.finish()
        self.assert_counts_equal(rows, next(iter(stays.end().values())))
        late = next(iter(comes.end().values()))
        self.assertEqual(harness.losses(late), 0)
        self.assertGreaterEqual(late["query_metrics"]["total_queries"], sum(row.start_ns >= attached for row in rows))


if __name__ == "__main__":
    harness.require_kernel()
    if not fault_harness.tools.shutil.which("readelf"):
        harness.skip("readelf is not installed (package binutils)")
    harness.main()
