"""`outrider slow` and /api/v1/queries: single queries against the example engine's own exact record, and one that hangs
with the function in which it does."""

import json
import urllib.error

import harness
from service_harness import ServiceCase

# Where the engine's queries hang; the gate itself is inlined.
SUFFERS = ("outrider::example::Load::thread_main", "outrider::example::QueryRunner::execute",
           "outrider::example::QueryRunner::suffer")
SLEEPS = ("--threads", 4, "--rate", 200, "--fault", "sleep:30/5@0")


class Slow(ServiceCase):
    def slow(self, *arguments, code=0):
        child = harness.Child([harness.OUTRIDER, "slow", *arguments])
        self.addCleanup(child.kill)
        if code == 2:
            self.assertEqual(child.wait(), 2, child.describe())
            return child
        child.await_line(child.err, "looking for", harness.ATTACH_SECONDS)
        return child

    def answer(self, child, code=0):
        links = harness.bpf_links_of(child.pid)
        self.assertEqual(child.wait(), code, child.describe())
        harness.assert_links_gone(links)
        return json.loads("\n".join(child.out)) if code == 0 else None

    def assert_recorded(self, found, rows):
        """Each query is one of the record, to the nanosecond, and the four slowest of the record are the first four."""
        record = {(row.type, row.end_ns - row.start_ns): row for row in rows}
        for query in found:
            row = record[query["type"], round(1e9 * query["duration_seconds"])]
            self.assertEqual(query["failed"], not row.ok)
            self.assertEqual(query["text"], None)
            self.assertAlmostEqual(sum(query["waits"].values()), query["duration_seconds"], places=6)
            # An emulated processor may stop between the timer's start and the sleep.
            if row.wait_class == "sleep" and harness.SLOWNESS == 1:
                self.assertGreaterEqual(query["waits"]["sleep_seconds"], 0.0299)  # what was asked of the kernel
        longest = sorted((row.end_ns - row.start_ns for row in rows), reverse=True)[:4]
        self.assertEqual([round(1e9 * query["duration_seconds"]) for query in found[:4]], longest)

    def test_slowest(self):
        engine = self.engine(*SLEEPS, "--duration", 4)
        child = self.slow("--pid", engine.pid, "--for", "60s", "--format", "json", "--top", "12")
        engine.release()
        rows = engine.finish()
        found = self.answer(child)
        self.assertEqual(found["queries"], len(rows))
        self.assertEqual(len(found["slow"]), 12)
        self.assert_recorded(found["slow"], rows)

    def test_hang(self):
        engine = self.engine("--threads", 2, "--rate", 100, "--fault", "hang:30@1", "--duration", 35, record=False)
        child = self.slow("--pid", engine.pid, "--for", "6s", "--format", "json", "--in-flight-after", "1s")
        engine.release()
        hanging = self.answer(child)["in_flight"]
        self.assertEqual(len(hanging), 2)  # one for each thread
        for query in hanging:
            self.assertGreaterEqual(query["seconds"], 1)
            self.assertEqual((query["process"], query["state"], query["wait"]), (engine.pid, "waiting", "sync"))
            self.assertIn(query["type"], harness.INTENTS)
            self.assertGreater(query["waits"]["sync_seconds"], 0.9 * query["seconds"])
            names = [frame.split("(")[0] for frame in query["stack"]]
            order = [names.index(name) for name in ("start_thread", *SUFFERS, "pthread_cond_clockwait")]
            self.assertEqual(order, sorted(order), names)
            self.assertEqual(order[0], 0, names)  # whole

    def test_table(self):
        engine = self.engine("--threads", 2, "--rate", 100, "--fault", "hang:30@2", "--duration", 35, record=False)
        child = self.slow("--pid", engine.pid, "--for", "6s")
        engine.release()
        self.assertEqual(child.wait(), 0, child.describe())
        text = "\n".join(child.out)
        self.assertIn("the slowest of ", text)
        self.assertIn("in flight for 1s or longer:", text)
        self.assertIn("waits: sync for ", text)
        self.assertIn(SUFFERS[-1], text)

    def test_bad_input(self):
        engine = self.engine("--rate", 100, "--duration", 20, record=False, hold=False, delay=0)
        child = self.slow("--pid", engine.pid, "--for", "2s", "--type", "nonesuch")
        self.answer(child, code=1)
        self.assertIn("types that were seen: ", "\n".join(child.err))
        for arguments, sentence in ((("--for", "soon"), "--for"), (("--top", "0"), "--top"),
                                    (("--query-text", "all"), "--query-text")):
            child = self.slow("--pid", engine.pid, *arguments, code=2)
            self.assertIn(sentence, "\n".join(child.err + child.out))

    def test_service(self):
        """The same from the running service, the newest hour of it."""
        engine = self.engine(*SLEEPS, "--fault", "hang:30@4", "--duration", 40, record=False)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace("[agent]", '[agent]\nin_flight_after = "2s"'), encoding="utf-8")
        agent = self.start()
        engine.release()
        found = harness.wait_until(lambda: [answer for answer in [agent.json("/api/v1/queries?target=engine")]
                                            if answer["in_flight"]], harness.PATIENCE_SECONDS, "a query that hangs")[0]
        self.assertEqual((found["target"], found["in_flight_after_seconds"], found["text"]), ("engine", 2, "off"))
        self.assertTrue(any(SUFFERS[-1] in frame for frame in found["in_flight"][0]["stack"]))
        one_type = agent.json("/api/v1/queries?target=engine&type=path")
        self.assertEqual({query["type"] for query in one_type["slow"]}, {"path"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            agent.json("/api/v1/queries?target=nobody")
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()


if __name__ == "__main__":
    harness.main()
