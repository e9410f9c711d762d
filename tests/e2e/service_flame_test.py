"""Flame graphs from the running service: asked for, told that it is being recorded, asked again."""

import json
import time
import urllib.error

import harness
from service_harness import ServiceCase

LOAD = ("--threads", 2, "--rate", 100, "--fault", "spin:5/100@0", "--duration", 60)


class ServiceFlame(ServiceCase):
    def agent_of_load(self):
        engine = self.engine(*LOAD, record=False, hold=False, delay=0)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        return engine, agent

    def refusal(self, agent, query):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            agent.json("/api/v1/flame?" + query)
        with caught.exception as answer:
            return answer.code, json.loads(answer.read())["error"]

    def graph(self, agent, query):
        def done():
            answer = agent.json("/api/v1/flame?" + query)
            if answer.get("state") == "recording":
                self.assertGreater(answer["seconds_left"], 0)
                return None
            return answer
        return harness.wait_until(done, harness.PATIENCE_SECONDS, "the flame graph")

    def test_flame(self):
        _, agent = self.agent_of_load()
        links = harness.bpf_links_of(agent.pid)
        query = "target=engine&kind=on_cpu&for=2s"
        self.assertEqual(agent.json("/api/v1/flame?" + query)["state"], "recording")
        code, reason = self.refusal(agent, "target=engine&kind=off_cpu&for=2s")  # one at a time
        self.assertEqual(code, 409)
        self.assertIn("another flame graph", reason)
        graph = self.graph(agent, query)
        self.assertEqual((graph["target"], graph["type"], graph["kind"], graph["unit"]),
                         ("engine", None, "on_cpu", "samples"))
        self.assertEqual(graph["flame"]["value"], graph["total"])
        self.assertGreater(graph["total"], 10)
        self.assertIn("WaitPlanter::plant", json.dumps(graph["flame"]))
        self.assertLessEqual({child["name"] for child in graph["flame"]["children"]}, set(harness.INTENTS))
        self.assertEqual(agent.json("/api/v1/flame?" + query), graph)  # kept for a while
        code, reason = self.refusal(agent, "target=engine&type=path&kind=off_cpu&for=1s")
        self.assertEqual(code, 409)
        self.assertIn("it was just recorded: ask again in ", reason)
        time.sleep(int(reason.split()[-2]) + 1)
        waits = self.graph(agent, "target=engine&type=path&kind=off_cpu&for=1s")
        self.assertEqual((waits["type"], waits["unit"]), ("path", "seconds"))
        self.assertEqual(harness.bpf_links_of(agent.pid), links)  # nothing of a recording is left
        agent.end()

    def test_difference(self):
        """A function that was switched on between two recordings has grown; what is kept is listed and looked at again."""
        slow_from = 30
        engine = self.engine("--threads", 2, "--rate", 0, "--fault", f"spin:10/100@{slow_from}", "--duration", 120,
                             record=False)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        agent = self.start()
        begin = time.monotonic()
        engine.release()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        before = self.graph(agent, "target=engine&for=2s")
        self.assertLess(time.monotonic(), begin + slow_from, "the first recording took too long to be one of before")
        self.assertIsNone(before["before"])
        self.assertLess(abs(time.time() - before["time"] / 1000), 60)
        time.sleep(max(0, begin + slow_from + 1 - time.monotonic()))
        after = self.graph(agent, f"target=engine&for=2s&compare={before['time']}")
        self.assertEqual((after["before"]["time"], after["before"]["total"]), (before["time"], before["total"]))
        self.assertAlmostEqual(after["flame"]["before"], after["total"], places=6)  # both at the same total
        now, then = self.sums(after["flame"], "WaitPlanter::plant")
        self.assertGreater(now / after["total"], 0.8)
        self.assertLess(then / after["total"], 0.05)
        # Each type's share of before is what the first recording has it at.
        for child in before["flame"]["children"]:
            both = next(each for each in after["flame"]["children"] if each["name"] == child["name"])
            self.assertAlmostEqual(both["before"] / after["total"], child["value"] / before["total"], places=6)
        kept = agent.json("/api/v1/flame/recordings?target=engine")["recordings"]
        self.assertEqual([each["time"] for each in kept], [after["time"], before["time"]])
        self.assertEqual(agent.json(f"/api/v1/flame?target=engine&at={before['time']}"), before)
        code, reason = self.refusal(agent, "target=engine&compare=1")
        self.assertEqual(code, 404)
        self.assertIn("/api/v1/flame/recordings lists them", reason)
        code, reason = self.refusal(agent, f"target=engine&kind=off_cpu&compare={before['time']}")
        self.assertEqual(code, 400)
        self.assertIn("is another's: on_cpu of target 'engine', all types", reason)
        agent.end()

    def sums(self, node, name):
        """(value, before) of the outermost frames of this name."""
        if name in node["name"]:
            return node["value"], node["before"]
        below = [self.sums(child, name) for child in node.get("children", ())]
        return sum(value for value, _ in below), sum(before for _, before in below)

    def test_bad_questions(self):
        _, agent = self.agent_of_load()
        self.assertEqual(self.refusal(agent, "target=nobody")[0], 404)
        for query in ("target=engine&kind=gpu", "target=engine&compare=yesterday", "target=engine&at=-1", "target=engine&for=never", "target=engine&for=500ms", "target=engine&for=10m"):
            self.assertEqual(self.refusal(agent, query)[0], 400)
        agent.end()

    def test_stopping_does_not_wait_for_a_recording(self):
        _, agent = self.agent_of_load()
        agent.json("/api/v1/flame?target=engine&for=30s")
        time.sleep(3)
        links = harness.bpf_links_of(agent.pid)
        agent.end()
        harness.assert_links_gone(links)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
