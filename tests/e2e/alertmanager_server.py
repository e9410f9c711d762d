"""A private Alertmanager for one test: on loopback, with its data in the test's directory."""

import json
import shutil
import urllib.error
import urllib.request

import harness
from service_harness import free_port


def require():
    if not shutil.which("prometheus-alertmanager"):
        harness.skip("no prometheus-alertmanager here; scripts/setup installs the package of that name")


class Server:
    """Running when the constructor returns; end it with stop()."""

    def __init__(self, directory):
        config = directory / "alertmanager.yml"
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self._process = harness.Child(["prometheus-alertmanager", f"--config.file={config}",
                                       f"--storage.path={directory / 'alertmanager'}",
                                       f"--web.listen-address={self.url.removeprefix('http://')}",
                                       "--cluster.listen-address="])
        harness.wait_until(self._answers, harness.PATIENCE_SECONDS, "Alertmanager answers")

    def stop(self):
        self._process.kill()

    def _answers(self):
        assert self._process.running, self._process.describe()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    def alerts(self):
        """All that it knows, as its API gives them; those that are over only for a while."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=harness.PATIENCE_SECONDS) as answer:
            return json.load(answer)
