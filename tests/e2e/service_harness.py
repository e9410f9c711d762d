"""What the tests of `outrider run` share: the service with a configuration of its own, its API, and an engine that it
watches from before its first query."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request

import harness

LOAD = ("--rate", int(2000 / min(4, harness.SLOWNESS)), "--arrivals", "fixed", "--fault", "errors:10@0")
HTTP_SECONDS = 10 * min(5, harness.SLOWNESS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Agent(harness.Child):
    """outrider run, serving when the constructor returns."""

    def __init__(self, config, port, serving=True, prefix=()):
        super().__init__([*prefix, harness.OUTRIDER, "run", "--config", config])
        self.url = f"http://127.0.0.1:{port}"
        if serving:
            harness.wait_until(lambda: self.status("/readyz") == 200, harness.PATIENCE_SECONDS, "/readyz")

    def status(self, path):
        assert self.running, self.describe()
        try:
            with urllib.request.urlopen(self.url + path, timeout=HTTP_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except (urllib.error.URLError, ConnectionError):
            return 0

    def text(self, path, accept="*/*"):
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as answer:
            return answer.read().decode()

    def json(self, path):
        return json.loads(self.text(path))

    def snapshot(self, target):
        try:
            return self.json(f"/api/v1/snapshot?target={target}&format=json")
        except urllib.error.HTTPError:
            return None

    def await_total(self, target, total):
        def seen():
            snapshot = self.snapshot(target)
            return snapshot if snapshot and snapshot["query_metrics"]["total_queries"] >= total else None
        return harness.wait_until(seen, harness.PATIENCE_SECONDS, f"{total} queries of {target}")

    def end(self, number=signal.SIGTERM):
        begin = time.monotonic()
        self.signal(number)
        code = self.wait()
        took = time.monotonic() - begin
        assert code == 0, f"exit code {code}: {self.describe()}"
        return took


class ServiceCase(harness.Case):
    """A test with a configuration, a port and a history of its own."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.config = self.directory / "outrider.toml"
        self.database = self.directory / "history.db"

    def configure(self, targets, more="", interval="200ms", agent=""):
        """`agent`: further lines of its table; `more`: further tables."""
        text = f"""
[agent]
collection_interval = "{interval}"
max_overhead = "off"
{agent}
[store]
path = "{self.database}"
[http]
port = {self.port}
[export]
export_prometheus = true
{more}
"""
        self.config.write_text(text + "".join(f"[[targets]]\n{target}\n" for target in targets), encoding="utf-8")

    def start(self, serving=True, prefix=()):
        """`prefix`: a command that becomes the agent."""
        agent = Agent(self.config, self.port, serving, prefix)
        self.addCleanup(agent.kill)
        return agent

    def engine_and_agent(self, *arguments, more=""):
        engine = self.engine(*LOAD, *arguments)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"\nlabels = {{ stage = "test" }}'], more)
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        return engine, agent

    def reload(self, agent, figure="reloads"):
        before = agent.json("/api/v1/agent")[figure]
        agent.signal(signal.SIGHUP)
        harness.wait_until(lambda: agent.json("/api/v1/agent")[figure] == before + 1, 30, f"one more of {figure}")
