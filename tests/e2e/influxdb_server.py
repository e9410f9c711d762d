"""A private InfluxDB 1.x for one test: on loopback, with its data in the test's directory. It can be stopped and started
again on the same port."""

import json
import os
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request

import harness


def require():
    if not shutil.which("influxd"):
        harness.skip("no influxd here; scripts/setup installs the package influxdb")


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Server:
    """Not running yet: start() does that, as often as it was stopped."""

    def __init__(self, directory):
        http, rpc = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "INFLUXDB_META_DIR": f"{directory}/meta",
            "INFLUXDB_DATA_DIR": f"{directory}/data", "INFLUXDB_DATA_WAL_DIR": f"{directory}/wal",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{http}", "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{rpc}",
            "INFLUXDB_REPORTING_DISABLED": "true", "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false"}
        self._process = None

    def start(self):
        self._process = harness.Child(["influxd", "-config", "/dev/null"], env=self._environment)
        harness.wait_until(self._answers, harness.PATIENCE_SECONDS, "influxd answers /ping")

    def stop(self):
        if self._process:
            self._process.kill()

    def _answers(self):
        assert self._process.running, self._process.describe()
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return answer.status == 204
        except urllib.error.URLError:
            return False

    def query(self, text, database):
        """The series of the answer."""
        body = urllib.parse.urlencode({"q": text, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=body, timeout=harness.PATIENCE_SECONDS) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, result
        return result.get("series", [])
