"""The shipped unit under systemd itself: it says when it is ready, has no capability that it does not name, counts what the
engine recorded, reads its configuration anew, comes back when it is killed, and leaves nothing when it is stopped."""

import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import guest
import harness
from service_harness import HTTP_SECONDS, LOAD, ServiceCase

UNITS = pathlib.Path("/etc/systemd/system")
PACKAGING = pathlib.Path("/outrider/packaging")
SYSTEMCTL_SECONDS = 180  # of an emulated processor that verifies the programs
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_LEASE": 28, "CAP_PERFMON": 38, "CAP_BPF": 39}


def setUpModule():
    guest.only_in_the_guest()


def systemctl(*arguments):
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    assert done.returncode == 0, f"systemctl {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


def shown(*names):
    """{name: value} of the unit's properties."""
    lines = systemctl("show", "outrider", "--property", ",".join(names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def has_uprobe_multi():
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2]) >= (6, 6)


class Unit(ServiceCase):
    def setUp(self):
        super().setUp()
        self.config = pathlib.Path("/etc/outrider/outrider.toml")
        self.config.parent.mkdir(exist_ok=True)
        self.database = "/var/lib/outrider/history.db"
        shutil.copy(PACKAGING / "outrider.service", UNITS)
        if not has_uprobe_multi():
            (UNITS / "outrider.service.d").mkdir(exist_ok=True)
            shutil.copy(PACKAGING / "examples/perf-uprobes.conf", UNITS / "outrider.service.d")
        systemctl("daemon-reload")
        self.addCleanup(systemctl, "stop", "outrider")

    def json(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=HTTP_SECONDS) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, ConnectionError):
            return None

    def await_answer(self, path, wanted, what):
        return harness.wait_until(lambda: (lambda answer: answer if answer and wanted(answer) else None)(self.json(path)),
                                  harness.PATIENCE_SECONDS, what)

    def assert_counts_an_engine(self):
        engine = self.engine(*LOAD, "--duration", 3)
        self.await_answer("/api/v1/targets", lambda answer: answer["targets"][0]["processes"] == 1, "the engine is attached to")
        engine.release()
        rows = engine.finish()
        snapshot = self.await_answer("/api/v1/snapshot?target=engine&format=json",
                                     lambda answer: answer["query_metrics"]["total_queries"] >= len(rows), f"{len(rows)} queries")
        self.assert_counts_equal(rows, snapshot)

    def assert_confined(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        unit = (PACKAGING / "outrider.service").read_text(encoding="utf-8")
        allowed = re.search(r"^CapabilityBoundingSet=(.*)", unit, re.M)[1].split()
        mask = sum(1 << CAPABILITIES[name] for name in [*allowed, *([] if has_uprobe_multi() else ["CAP_SYS_ADMIN"])])
        for field in ("CapBnd", "CapPrm", "CapEff"):
            value = int(re.search(rf"^{field}:\s+(\w+)", status, re.M)[1], 16)
            self.assertEqual(value & ~mask, 0, f"{field} is {value:x}, of which the unit allows {mask:x}")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")
        self.assertRegex(status, r"(?m)^Seccomp:\s+2$")

    def test_from_its_start_to_its_stop(self):
        self.configure([f'exe = "{harness.ENGINE}"\ndisplay_name = "engine"'])
        systemctl("start", "outrider")
        state = shown("ActiveState", "MainPID", "NRestarts")
        self.assertEqual((state["ActiveState"], state["NRestarts"]), ("active", "0"))
        self.await_answer("/api/v1/agent", lambda answer: answer["reloads"] == 0, "the first report")
        self.assert_confined(state["MainPID"])
        self.assert_counts_an_engine()
        systemctl("reload", "outrider")
        self.await_answer("/api/v1/agent", lambda answer: answer["reloads"] == 1, "the reload")
        os.kill(int(state["MainPID"]), signal.SIGKILL)
        harness.wait_until(lambda: shown("NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"},
                           SYSTEMCTL_SECONDS, "the restart")
        self.assert_counts_an_engine()
        systemctl("stop", "outrider")
        self.assertEqual(shown("ActiveState", "Result"), {"ActiveState": "inactive", "Result": "success"})
        left = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertNotIn("handle_query", left)
        self.assertEqual(pathlib.Path(self.database).stat().st_mode & 0o777, 0o600)
