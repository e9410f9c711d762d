"""A real Prometheus over a real node_exporter and /metrics: what it answers is what the engine's own record says, and
the rules and the dashboard in packaging/ get a figure for every expression."""

import bisect
import collections
import json
import math
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness
from service_harness import ServiceCase, free_port

PROMETHEUS = harness.SOURCE / "packaging" / "prometheus"
RULES, ALERTS = (PROMETHEUS / f"outrider.{kind}.yml" for kind in ("rules", "alerts"))
ALERTS_TEST = PROMETHEUS / "outrider.alerts.test.yml"
DASHBOARD = json.loads((harness.SOURCE / "packaging" / "grafana" / "outrider.json").read_text(encoding="utf-8"))
EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")

# Waits long enough for some query to be in flight at most readings.
LOAD = ("--threads", 8, "--rate", 600, "--duration", 120, "--fault", "errors:10@0", "--fault", "sleep:5/40@0",
        "--fault", "lock:3/5@0", "--fault", "disk:2/10@0")
# Metrics that this run cannot have, and what they need. One that it has after all fails.
NEEDS = {"llmkg_query_phase_seconds_total": "an engine with phase probes, such as PostgreSQL"}
# Labels that a rule's level must name if its series have them.
LEVELS = {"target", "type", "class", "le", "state", "reason", "sink", "instance"}
PERCENTILE_ERROR = 0.016


def panels():
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboard_expressions(instance):
    """{panel and query: PromQL} with the variables as Grafana would put them in."""
    values = {"$__rate_interval": "5s", "$__range": "5s", "$instance": re.escape(instance).replace("\\", "\\\\"),
              "$target": ".*", "$type": ".*"}
    found = {}
    for panel in panels():
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in values.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression, f"a variable that is not known: {expression}"
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def metrics_in(expression):
    return set(re.findall(r"(?:\w+:)?\b(?:llmkg|node)_\w+(?::\w+)?", expression))


class Prometheus(harness.Child):
    """prometheus on loopback, ready when the constructor returns."""

    def __init__(self, directory, jobs, rule_files):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = directory / "prometheus.yml"
        lines = ["global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}",
                 f"rule_files: {json.dumps([str(path) for path in rule_files])}", "scrape_configs:"]
        lines += [f"- {{job_name: {job}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
                  for job, port in jobs.items()]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        super().__init__(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
                          f"--web.listen-address={self.url.removeprefix('http://')}"])

    def await_ready(self):
        harness.wait_until(self.ready, harness.PATIENCE_SECONDS, f"/-/ready of {self.describe()}")

    def ready(self):
        assert self.running, self.describe()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, expression):
        """[(labels, value)] of an instant vector."""
        data = self.get("query", query=expression)
        assert data["resultType"] == "vector", expression
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def scalar(self, expression):
        """The value of the only series, or None."""
        values = [value for _, value in self.query(expression)]
        assert len(values) < 2, f"{len(values)} series: {expression}"
        return values[0] if values else None

    def fault(self, expression):
        """Why an expression is of no use to anybody; empty if it gives figures."""
        values = [value for _, value in self.query(expression)]
        if not values:
            return "no series"
        bad = [value for value in values if not math.isfinite(value)]
        return f"{len(bad)} of {len(values)} series are {bad[0]}" if bad else ""


class Run(ServiceCase):
    """One run for all tests: service, node_exporter, Prometheus and an engine under load until every question that
    wants load is answered. What the tests look at afterwards stands still."""

    def setUp(self):
        super().setUp()
        collector = self.directory / "collector"
        collector.mkdir()
        self.ports = {"outrider": self.port}
        if EXPORTER:
            self.ports["node"] = free_port()
            exporter = harness.Child([EXPORTER, "--collector.disable-defaults", "--collector.textfile",
                                      f"--collector.textfile.directory={collector}",
                                      f"--web.listen-address=127.0.0.1:{self.ports['node']}"])
            self.addCleanup(exporter.kill)
        self.prometheus = Prometheus(self.directory, self.ports, (RULES, ALERTS))
        self.addCleanup(self.prometheus.kill)
        engine = self.engine(*LOAD)
        # Nobody is at the InfluxDB's port: one export that fails, for the metrics and the alert of that.
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"\nlabels = {{ stage = "test" }}'], f"""
[export.textfile]
path = "{collector}/outrider.prom"
buckets = "fine"
[export.influxdb]
url = "http://127.0.0.1:{free_port()}"
""", interval="1s")
        self.agent = self.start()
        self.prometheus.await_ready()
        # From zero on, so that the first queries are a difference too.
        self.await_series("llmkg_queries_total == 0", len(self.ports))
        self.began = time.time()
        engine.release()
        self.questions = self.ask()
        self.alerts = {alert["labels"]["alertname"] for alert in self.prometheus.get("alerts")["alerts"]}
        self.rules = {rule["name"]: self.prometheus.query(rule["name"])
                      for group in self.prometheus.get("rules")["groups"] for rule in group["rules"]
                      if rule["type"] == "recording"}
        engine.signal(signal.SIGTERM)
        self.rows = engine.finish()
        self.agent.await_total("engine", len(self.rows))
        self.await_series(f"llmkg_queries_total >= {len(self.rows)}", len(self.ports))
        self.types = collections.defaultdict(list)
        for row in self.rows:
            self.types[row.type].append(row.end_ns - row.start_ns)
        for durations in self.types.values():
            durations.sort()

    def await_series(self, expression, count):
        harness.wait_until(lambda: len(self.prometheus.query(expression)) == count, 30, expression)

    def ask(self):
        """Asks until each has an answer or 15 seconds are over. {(way, where): (expression, what is wrong with it)}"""
        asked = {("rule", name): name for name in re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8"))}
        for way, port in self.ports.items():
            asked |= {(way, where): expression
                      for where, expression in dashboard_expressions(f"127.0.0.1:{port}").items()}
        asked["alert", "of the failing export"] = 'ALERTS{alertname="OutriderExportFailing"}'
        asked = {key: (expression, "never asked") for key, expression in asked.items()}
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for key, (expression, wrong) in asked.items():
                if wrong:
                    asked[key] = (expression, self.prometheus.fault(expression))
            if not any(wrong and not metrics_in(expression) & NEEDS.keys() for expression, wrong in asked.values()):
                break
            time.sleep(0.5)
        return asked


class OnARealPrometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = Run()
        cls.addClassCleanup(cls.run_.doCleanups)
        cls.run_.setUp()
        cls.prometheus = cls.run_.prometheus

    def test_scrapes_go_well_and_ours_is_openmetrics(self):
        for job in self.run_.ports:
            # At some scrape, not at each: on a busy machine one may be over its time.
            self.run_.await_series(f'up{{job="{job}"}} == 1', 1)
            self.assertGreater(self.prometheus.scalar(f'scrape_samples_scraped{{job="{job}"}}'), 100)
        # Only that format has units, and a counter's family has no _total.
        metadata = {one["metric"]: one for one in
                    self.prometheus.get("targets/metadata", match_target='{job="outrider"}')}
        self.assertEqual(metadata["llmkg_query_duration_seconds"]["unit"], "seconds")
        self.assertEqual(metadata["llmkg_queries"]["type"], "counter")
        self.assertNotIn("llmkg_queries_total", metadata)

    def test_totals_are_the_record_s(self):
        rows = self.run_.rows
        failed = collections.Counter(row.type for row in rows if not row.ok)
        self.assertGreater(len(rows), 1000)
        for job in self.run_.ports:
            where = f'{{job="{job}",target="engine",stage="test"}}'
            with self.subTest(job):
                for name, truth in (("queries_total", len(rows)), ("queries_failed_total", sum(failed.values())),
                                    ("queries_abandoned_total", 0), ("cache_hits_total", sum(r.hits for r in rows)),
                                    ("cache_misses_total", sum(r.misses for r in rows))):
                    self.assertEqual(self.prometheus.scalar(f"llmkg_{name}{where}"), truth, name)
                by_type = {labels["type"]: value for labels, value in
                           self.prometheus.query(f"llmkg_query_duration_seconds_count{where} > 0")}
                self.assertEqual(by_type, {name: len(mine) for name, mine in self.run_.types.items()})
                by_type = {labels["type"]: value for labels, value in
                           self.prometheus.query(f"llmkg_query_type_failed_total{where} > 0")}
                self.assertEqual(by_type, dict(failed))
                # Attached before the first query and scraped at zero: what grew is all there is.
                self.assertEqual(self.prometheus.scalar(f"llmkg_queries_total{where} - llmkg_queries_total{where} "
                                                        f"@ {self.run_.began:.3f}"), len(rows))
                counted = where.replace("}", ',reason!="slow_busy"}')
                self.assertEqual(self.prometheus.scalar(f"sum(llmkg_losses_total{counted})"), 0)

    def buckets(self, job):
        """{type: [(upper bound in ns, cumulative count)]} without +Inf."""
        found = collections.defaultdict(list)
        for labels, value in self.prometheus.query(f'llmkg_query_duration_seconds_bucket{{job="{job}"}}'):
            if labels["le"] != "+Inf":
                found[labels["type"]].append((round(float(labels["le"]) * 1e9), value))
        return {name: sorted(mine) for name, mine in found.items()}

    def p99(self, job):
        return {labels["type"]: value * 1e9 for labels, value in self.prometheus.query(
            f'histogram_quantile(0.99, sum by (le, type) (llmkg_query_duration_seconds_bucket{{job="{job}"}}) > 0)')}

    def our_p99(self):
        """{type: ns} out of history, in one step that holds the whole run."""
        step = next(step for step in (600, 660, 780) if self.run_.began // step == time.time() // step)

        def points(name):
            answer = self.run_.agent.json(f"/api/v1/history?since={step}s&step={step}s&metric=p99,queries&type={name}")
            values = [[point[metric["name"]] for metric in answer["metrics"]] for point in answer["points"]]
            return [(p99 * 1e9, queries) for p99, queries in values if p99 is not None]

        found = {}
        for name, durations in self.run_.types.items():
            whole = harness.wait_until(
                lambda: [p99 for p99, queries in points(name) if queries == len(durations)], 30, f"history of {name}")
            (found[name],) = whole
        return found

    def test_buckets_are_the_record_s(self):
        for job in self.run_.ports:
            buckets = self.buckets(job)
            for name, durations in self.run_.types.items():
                wrong = [(upper, count, bisect.bisect_right(durations, upper)) for upper, count in buckets[name]
                         if count != bisect.bisect_right(durations, upper)]
                self.assertEqual(wrong, [], f"{job}, {name}: (bound in ns, Prometheus, record)")

    def test_p99_is_the_record_s_and_ours(self):
        ours = self.our_p99()
        answers = {job: self.p99(job) for job in self.run_.ports}
        edges = {job: {name: [0] + [upper for upper, _ in mine] for name, mine in self.buckets(job).items()}
                 for job in self.run_.ports}
        for name, durations in sorted(self.run_.types.items()):
            truth = harness.percentile(durations, 0.99)
            figures = {job: answer[name] for job, answer in answers.items()}
            print(f"p99 of {len(durations)} {name}: record {truth / 1e6:.3f} ms, Prometheus " +
                  ", ".join(f"{value / 1e6:.3f} ms ({job})" for job, value in figures.items()) +
                  f", history {ours[name] / 1e6:.3f} ms")
            self.assertLessEqual(abs(ours[name] - truth), PERCENTILE_ERROR * truth, name)
            for job, value in figures.items():
                upper = bisect.bisect_left(edges[job][name], truth)
                lower, upper = edges[job][name][upper - 1:upper + 1]
                for what, figure in ((job, value), ("history", ours[name])):
                    self.assertTrue(lower * (1 - 1e-9) <= figure <= upper * (1 + 1e-9),
                                    f"{name}: p99 by {what} is {figure} ns, the record's {truth} in {lower}..{upper}")
        if "node" in answers:  # fine buckets: as good as our own, but for the interpolation inside a bucket
            for name, durations in self.run_.types.items():
                truth = harness.percentile(durations, 0.99)
                self.assertLessEqual(abs(answers["node"][name] - truth), 2 * PERCENTILE_ERROR * truth, name)

    def assert_answered(self, ways):
        questions = {key: question for key, question in self.run_.questions.items() if key[0] in ways}
        self.assertTrue(questions)
        faults = [f"{way}, {where}: {wrong}: {expression}" for (way, where), (expression, wrong) in questions.items()
                  if wrong and not metrics_in(expression) & NEEDS.keys()]
        self.assertEqual(faults, [], "\n".join(["expressions without figures:", *faults]))
        needless = [expression for expression, wrong in questions.values()
                    if not wrong and metrics_in(expression) & NEEDS.keys()]
        self.assertEqual(needless, [], "these have figures, so take their metrics out of NEEDS")

    def test_every_query_of_the_dashboard_has_figures(self):
        self.assert_answered(self.run_.ports)

    def test_every_variable_of_the_dashboard_has_values(self):
        for variable in DASHBOARD["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            self.assertEqual(label, variable["name"])
            selector = re.sub(r"\$\w+", ".*", selector)
            self.assertTrue(self.prometheus.get(f"label/{label}/values", **{"match[]": selector}), selector)

    def test_every_recording_rule_has_figures(self):
        self.assert_answered({"rule"})
        recorded = set(re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8")))
        self.assertEqual(recorded, set(self.run_.rules))
        for group in self.prometheus.get("rules")["groups"]:
            for rule in group["rules"]:
                self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])

    def test_names_of_rules_say_what_labels_are_left(self):
        for name, series in self.run_.rules.items():
            level, metric, operations = name.split(":")
            self.assertRegex(metric, "^llmkg_[a-z_]+[a-z]$", name)
            self.assertRegex(operations, "^[a-z0-9_]+$", name)
            self.assertNotIn("_total", name)
            expected = set(level.split("_")) | {"instance"}
            for labels, _ in series:
                self.assertEqual(set(labels) & LEVELS, expected, name)

    def test_shares_add_up(self):
        for level in ("target", "target_type"):
            sums = self.prometheus.query(f"sum without (class) ({level}_class:llmkg_query_wait_seconds:ratio_rate5m)")
            self.assertTrue(sums)
            for labels, value in sums:
                self.assertAlmostEqual(value, 1, delta=1e-6, msg=str(labels))

    def test_every_metric_of_an_alert_exists_and_only_the_planted_fault_is_seen(self):
        self.assert_answered({"alert"})
        names = set(self.prometheus.get("label/__name__/values"))
        for group in self.prometheus.get("rules")["groups"]:
            for rule in group["rules"]:
                if "node_" in rule["query"] and not EXPORTER:
                    continue
                self.assertEqual(metrics_in(rule["query"]) - names, set(), rule["name"])
        # Lag is the machine's matter and none of this test's.
        self.assertEqual(self.run_.alerts - {"OutriderLoopLag"}, {"OutriderExportFailing"})
        if not EXPORTER:
            self.skipTest("the textfile's part: node_exporter is not installed (package prometheus-node-exporter)")


class Files(unittest.TestCase):
    def promtool(self, *words):
        done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_promtool_has_nothing_to_say_about_the_rules(self):
        self.promtool("check", "rules", "--lint=all", "--lint-fatal", RULES, ALERTS)

    def test_each_alert_fires_when_it_should(self):
        self.promtool("test", "rules", ALERTS_TEST)
        alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8")))
        self.assertEqual(set(re.findall(r'alertname="(\w+)"', ALERTS_TEST.read_text(encoding="utf-8"))), alerts)

    def test_the_dashboard_is_nobody_s_in_particular(self):
        self.assertIsNone(DASHBOARD["id"])
        self.assertIsNone(DASHBOARD["uid"])
        for panel in panels():
            self.assertIsNone(panel.get("id"), panel["title"])
            if panel["type"] != "row":
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])

    def test_each_panel_has_a_place_and_a_unit(self):
        taken = {}
        for panel in panels():
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertEqual(taken.setdefault((x, y), panel["title"]), panel["title"], "two in one place")
            states = panel["type"] in ("row", "state-timeline") or panel.get("options", {}).get("textMode") == "name"
            self.assertTrue(states or '"unit"' in json.dumps(panel), f"no unit: {panel['title']}")


if __name__ == "__main__":
    for program in ("prometheus", "promtool"):
        if not shutil.which(program):
            harness.skip(f"{program} is not installed (package prometheus)")
    harness.require_kernel()
    harness.main()
