"""`outrider run` as a service: what it exports and remembers agrees with the example engine's own record, a reload keeps
what did not change, and faults of one part cost no interval of another."""

import datetime
import json
import os
import shutil
import signal
import socket
import subprocess

import harness
from alerts_harness import AlertsCase
from service_harness import LOAD, ServiceCase, free_port


class Service(ServiceCase):
    def test_every_export_says_what_the_record_says(self):
        lines, influx, textfile = (self.directory / name for name in ("a.jsonl", "a.influx", "a.prom"))
        engine, agent = self.engine_and_agent("--duration", 4, more=f"""
[export.json]
path = "{lines}"
[export.influxdb]
file = "{influx}"
[export.textfile]
path = "{textfile}"
""")
        engine.release()
        rows = engine.finish()
        snapshot = agent.await_total("engine", len(rows))
        failed = sum(not row.ok for row in rows)
        self.assertEqual(snapshot["query_metrics"]["total_queries"], len(rows))
        self.assertEqual(snapshot["query_metrics"]["failed_queries"], failed)
        metrics = agent.text("/metrics")
        total = f'llmkg_queries_total{{target="engine",stage="test"}} {len(rows)}\n'
        self.assertTrue(total in metrics, "another total in /metrics")
        self.assertTrue(agent.text("/metrics", "application/openmetrics-text; version=1.0.0").endswith("# EOF\n"))
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        history = agent.json("/api/v1/history?since=1m&step=1s&metric=queries,failed")
        self.assertFalse(history["rounded"])
        harness.wait_until(lambda: self.recorded("queries") == len(rows), harness.PATIENCE_SECONDS,
                           "the history of every query")
        self.assertEqual(self.recorded("failed"), failed)
        for intent in harness.INTENTS:
            self.assertEqual(self.recorded("queries", intent), sum(row.type == intent for row in rows))
        dashboard = agent.json("/api/v1/dashboard?window=1m")
        self.assertGreater(dashboard["current"]["health_score"], 0)
        self.assertIn("Response Time", [chart["title"] for chart in dashboard["charts"]])
        self.assertLess(agent.end(), 2 * min(5, harness.SLOWNESS))
        written = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        self.assertEqual(sum(one["query_metrics"]["interval_queries"] for one in written), len(rows))
        self.assertTrue(f"total_queries={len(rows)}i" in influx.read_text(encoding="utf-8"), "another total in Influx")
        self.assertTrue(total in textfile.read_text(encoding="utf-8"), "another total in the textfile")

    def recorded(self, metric, intent=None):
        """The sum over the last minutes, as the command line gives it beside the running service."""
        command = [harness.OUTRIDER, "history", "--db", self.database, "--since", "10m", "--step", "1s", "--metric",
                   metric, "--format", "json", *(["--type", intent] if intent else [])]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              timeout=harness.PATIENCE_SECONDS, check=False)
        if done.returncode != 0:
            return None
        answer = json.loads(done.stdout)
        return sum(point[answer["metrics"][0]["name"]] or 0 for point in answer["points"])

    def test_a_reload_keeps_what_did_not_change(self):
        engine, agent = self.engine_and_agent("--duration", 6)
        other = self.scripted("2", "query", "a")
        engine.release()
        harness.wait_until(lambda: agent.snapshot("engine")["query_metrics"]["total_queries"] > 500, 30, "load")
        links = harness.bpf_links_of(agent.pid)
        mine = f'pid = {engine.pid}\ndisplay_name = "engine"\nlabels = {{ stage = "other" }}'
        self.configure([mine, f'pid = {other.pid}\ndisplay_name = "second"'])
        self.reload(agent)
        self.assertTrue(links <= harness.bpf_links_of(agent.pid), "probes of a target that stayed were taken away")
        self.assertIn('stage="other"', agent.text("/metrics"))
        good = self.config.read_text(encoding="utf-8")
        self.config.write_text(good + "\n[nonsense]\n", encoding="utf-8")
        self.reload(agent, "failed_reloads")
        agent.await_line(agent.err, "is wrong, so nothing was changed", 10)
        self.assertTrue('llmkg_agent_reloads_total{result="refused"} 1\n' in agent.text("/metrics"), "not in /metrics")
        self.assertEqual(len(agent.json("/api/v1/targets")["targets"]), 2)
        self.configure([mine])
        self.reload(agent)
        self.assertEqual([one["name"] for one in agent.json("/api/v1/targets")["targets"]], ["engine"])
        rows = engine.finish()
        snapshot = agent.await_total("engine", len(rows))
        self.assertEqual(snapshot["query_metrics"]["total_queries"], len(rows))
        agent.end()
        self.assertEqual(harness.bpf_links_of(agent.pid), set())

    def test_faults_of_one_part_cost_no_interval(self):
        blocker = socket.socket()
        blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        blocker.bind(("127.0.0.1", self.port))
        blocker.listen()
        gone = self.directory / "gone"
        gone.mkdir()
        engine = self.engine(*LOAD, "--duration", 8)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], f"""
[export.textfile]
path = "{gone}/a.prom"
[export.influxdb]
url = "http://127.0.0.1:{free_port()}"
""", interval="1s")  # half a second must be lost before a reading counts as missed
        agent = self.start(serving=False)
        agent.await_line(agent.err, "http: not serving", harness.PATIENCE_SECONDS)
        agent.await_line(agent.err, "engine: attached", harness.PATIENCE_SECONDS)
        engine.release()
        harness.wait_until((gone / "a.prom").exists, 30, "the textfile")
        shutil.rmtree(gone)
        agent.await_line(agent.err, "textfile: ", 30)
        blocker.close()
        harness.wait_until(lambda: agent.status("/readyz") == 200, 30, "the port that became free")
        gone.mkdir()
        harness.wait_until((gone / "a.prom").exists, 30, "the textfile in the new directory")
        rows = engine.finish()
        snapshot = agent.await_total("engine", len(rows))
        self.assertEqual(snapshot["query_metrics"]["total_queries"], len(rows))
        figures = agent.json("/api/v1/agent")
        self.assertEqual(figures["missed_intervals"], 0, figures)
        sinks = {sink["name"]: sink for sink in figures["sinks"]}
        self.assertGreater(sinks["textfile"]["failed"], 0)
        self.assertGreater(sinks["influxdb"]["points"]["queued"], 0)
        self.assertLess(agent.end(), 2)

    def test_many_that_cannot_be_watched_take_nobodys_place(self):
        """They are tried more often than there is room for targets."""
        plain = [shutil.copy2("/bin/true", self.directory / f"plain-{number}") for number in range(40)]
        engine = self.engine(*LOAD, "--duration", 1)
        self.configure([f'exe = "{path}"' for path in plain])
        agent = self.start()
        harness.wait_until(lambda: all(one["error"] for one in agent.json("/api/v1/targets")["targets"]), 60,
                           "an error for each")
        self.reload(agent)
        self.configure([f'exe = "{path}"' for path in plain] + [f'pid = {engine.pid}\ndisplay_name = "engine"'])
        self.reload(agent)
        engine.release()
        rows = engine.finish()
        agent.await_total("engine", len(rows))
        agent.end()

    def test_what_stood_in_the_way_of_a_target_may_go(self):
        engine = self.engine(*LOAD, "--duration", 1)
        pid = f"pid = {engine.pid}\n"
        self.configure([pid + 'display_name = "first"', pid + 'display_name = "second"'])
        agent = self.start()
        agent.await_line(agent.err, "second: not watched", 30)
        self.configure([pid + 'display_name = "second"'])
        self.reload(agent)
        (target,) = agent.json("/api/v1/targets")["targets"]
        self.assertEqual((target["name"], target["attached"], target["error"]), ("second", True, None))
        engine.release()
        rows = engine.finish()
        agent.await_total("second", len(rows))
        agent.end()

    def test_a_file_has_one_set_of_probes(self):
        """A second target with another profile would be counted by what the first one's says."""
        profile = self.directory / "other.toml"
        theirs = (harness.SOURCE / "usdt" / "profiles" / "outrider.toml").read_text(encoding="utf-8")
        profile.write_text(theirs.replace('name = "outrider"', 'name = "other"').replace(", hits = 6, misses = 7", ""),
                           encoding="utf-8")
        engines = [self.engine(*LOAD, "--duration", 1) for _ in range(2)]
        first = f'pid = {engines[0].pid}\ndisplay_name = "first"'
        second = f'pid = {engines[1].pid}\ndisplay_name = "second"\nprofile = "{profile}"'
        self.configure([first, second])
        agent = self.start()
        agent.await_line(agent.err, "probed already for another target, with profile outrider", 30)
        self.configure([second])
        self.reload(agent)
        (target,) = agent.json("/api/v1/targets")["targets"]
        self.assertEqual((target["attached"], target["error"], target["profile"]), (True, None, "other"), target)
        engines[1].release()
        rows = engines[1].finish()
        agent.await_total("second", len(rows))
        types = agent.snapshot("second")["query_metrics"]["query_type_breakdown"]
        self.assertEqual({one["cache_hit_rate"] for one in types.values()}, {None})
        agent.end()

    def test_availability_survives_a_restart(self):
        engine, agent = self.engine_and_agent("--duration", 3)
        engine.release()
        engine.finish()
        harness.wait_until(lambda: agent.snapshot("engine")["availability"]["state"] == "down", 30, "down")
        before = agent.snapshot("engine")["availability"]
        agent.end()
        self.assertGreater(before["ratio_1h"], 0)
        self.assertEqual(self.database.stat().st_mode & 0o777, 0o600)
        again = self.start()
        (target,) = again.json("/api/v1/targets")["targets"]
        self.assertFalse(target["attached"])
        self.assertIn(str(engine.pid), target["error"])
        self.assertEqual(target["availability"]["state"], "unknown")
        # Until the agent ended it was down for a little longer; one that remembered nothing would know no ratio.
        self.assertGreater(target["availability"]["ratio_1h"], 0)
        self.assertLessEqual(target["availability"]["ratio_1h"], before["ratio_1h"])
        again.end()

    def test_an_empty_configuration_runs(self):
        self.config.write_text(f'[store]\nenabled = false\n[http]\nport = {self.port}\n', encoding="utf-8")
        agent = self.start()
        self.assertEqual(agent.json("/api/v1/targets"), {"targets": []})
        self.assertEqual(agent.status("/healthz"), 200)
        self.assertEqual(agent.status("/metrics"), 404)
        self.assertEqual(agent.status("/api/v1/history"), 503)
        self.assertEqual(agent.status("/nowhere"), 404)
        self.assertLess(agent.end(signal.SIGINT), 2)

    def test_without_history_the_dashboard_shows_the_present(self):
        engine = self.engine(*LOAD, "--duration", 3)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'])
        self.config.write_text(self.config.read_text(encoding="utf-8").replace("[store]", "[store]\nenabled = false"),
                               encoding="utf-8")
        agent = self.start()
        engine.release()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        dashboard = agent.json("/api/v1/dashboard")
        self.assertEqual((dashboard["target"], dashboard["current"]["target"]), ("engine", "engine"))
        self.assertTrue(all(not line["data"] for chart in dashboard["charts"] for line in chart["datasets"]))
        self.assertEqual([alert for alert in dashboard["active_alerts"] if alert["state"] == "firing"], [])
        self.assertEqual(agent.status("/api/v1/dashboard?target=nobody"), 404)
        self.assertEqual(agent.status("/api/v1/history"), 503)
        agent.end()

    def test_another_name_does_not_hide_the_only_target(self):
        engine = self.engine(*LOAD, "--duration", 6)
        pid = f"pid = {engine.pid}\n"
        self.configure([pid + 'display_name = "before"'])
        agent = self.start()
        engine.release()
        harness.wait_until(lambda: self.recorded("queries"), 30, "the first points")
        self.configure([pid + 'display_name = "after"'])
        self.reload(agent)
        harness.wait_until(lambda: agent.status("/api/v1/history?since=1m") == 200, 30, "history without a name")
        self.assertEqual(agent.json("/api/v1/history?since=1m")["target"], "after")
        self.assertEqual(agent.json("/api/v1/dashboard")["target"], "after")
        agent.end()

    def test_a_wrong_configuration_is_refused_as_a_whole(self):
        self.config.write_text('[http]\nport = "x"\n[nonsense]\n', encoding="utf-8")
        done = subprocess.run([harness.OUTRIDER, "run", "--config", self.config], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("outrider.toml:2:", done.stderr)
        self.assertIn("outrider.toml:3:", done.stderr)

    def test_other_steps_than_those_of_the_history_are_refused_for_good(self):
        """With 2 the unit does not start it again."""
        self.configure([])
        agent = self.start()
        text = self.config.read_text(encoding="utf-8")
        tiers = '[{ step = "1s", keep = "1h" }, { step = "20s", keep = "24h" }, { step = "1m", keep = "30d" }]'
        self.config.write_text(text.replace("[store]", f"[store]\ntiers = {tiers}"), encoding="utf-8")
        self.reload(agent)
        agent.await_line(agent.err, "set another path as well, or the start is refused", 30)
        agent.end()
        refused = self.start(serving=False)
        self.assertEqual(refused.wait(), 2, refused.describe())
        said = "\n".join(refused.err)
        self.assertIn("keeps points of 1000,10000,60000 ms and the options ask for 1000,20000,60000 ms", said)
        self.assertIn("set the steps back, or give another path", said)

    def logged(self, journal):
        """The lines that a service without [log] writes to a file; the journal's, if JOURNAL_STREAM says so."""
        self.configure([])
        path = self.directory / "stderr"
        with open(path, "wb") as file:
            status = os.fstat(file.fileno())
            inode = status.st_ino if journal else status.st_ino + 1
            process = subprocess.Popen([harness.OUTRIDER, "run", "--config", self.config], stderr=file,
                                       env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{inode}"})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        harness.wait_until(lambda: "http: serving" in path.read_text(encoding="utf-8"), 60, "a line of the log")
        process.terminate()
        self.assertEqual(process.wait(harness.PATIENCE_SECONDS), 0)
        return path.read_text(encoding="utf-8").splitlines()

    def test_the_log_suits_its_reader(self):
        for line in self.logged(journal=True):
            # The priority of sd-daemon(3); the journal has the time.
            self.assertRegex(line, r"^<[0-7]>(?!\d{4}-)")
        for line in self.logged(journal=False):
            # Python reads the same profile of ISO 8601, and insists on its being a time that exists.
            moment, level, _ = line.split(" ", 2)
            self.assertIsNotNone(datetime.datetime.fromisoformat(moment).tzinfo, line)
            self.assertIn(level, ("info", "warning", "error"))


class Channels(AlertsCase):
    def test_what_waits_for_a_channel_that_a_reload_removes_is_said(self):
        """With the channel its counters are gone, so that the log is all there is."""
        engine = self.engine(*LOAD, "--duration", 60)
        target = f'pid = {engine.pid}\ndisplay_name = "engine"'
        rule = 'name = "Failures"\nid = "failures"\ncondition = "error_rate_high"\nthreshold = "5%"\nfor = "0s"\nclear_for = "10m"\n'
        webhook = f'[[alerts.channels]]\ntype = "webhook"\nurl = "http://127.0.0.1:{free_port()}/"\n'
        self.configure_alerts([target], [rule], webhook)
        agent = self.start()
        engine.release()
        waiting = lambda: {one["name"]: one["queued"] for one in agent.json("/api/v1/agent")["channels"]}
        harness.wait_until(lambda: waiting().get("webhook") == 1, 30, "a notice that waits")
        self.configure_alerts([target], [rule])
        self.reload(agent)
        agent.await_line(agent.err, "the alert channel webhook is no more; 1 notices that waited for it are lost", 10)
        harness.wait_until(lambda: "webhook" not in waiting(), 30, "figures without the channel")
        agent.end()


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
