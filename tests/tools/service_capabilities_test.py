#!/usr/bin/python3
"""The capabilities in outrider.service are enough to watch an engine of another user whose file nobody else may read,
and each of them is needed. (The rest of the unit needs systemd as the first process.)"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from tools import SOURCE, need, work_directory

sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
import harness  # noqa: E402

PACKAGING = pathlib.Path(SOURCE) / "packaging"
QUERIES = 500
NOBODY = 65534
# Without the capability the agent says this; CAP_LEASE only at level debug, for watching goes on.
MISSED = {
    "CAP_BPF": "BPF programs may not be loaded",
    "CAP_PERFMON": "BPF programs may not be loaded",
    "CAP_SYS_PTRACE": "not watched: open the executable of PID",
    "CAP_DAC_READ_SEARCH": "not watched: open the executable of PID",
    "CAP_LEASE": "no lease on a file: Permission denied",
}


def capabilities_in(path):
    return re.findall(r"CAP_\w+", " ".join(re.findall(r"^CapabilityBoundingSet=(.*)", path.read_text(), re.M)))


def start_agent(directory, capabilities):
    directory.mkdir()
    config = directory / "outrider.toml"
    config.write_text('[store]\nenabled = false\n[http]\nenabled = false\n[log]\nlevel = "debug"\n'
                      f'[export.json]\npath = "{directory}/out.json"\n'
                      f'[[targets]]\nname = "secret-engine"\nmax_overhead = "off"\n')
    bounding = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])
    return harness.Child(["setpriv", "--no-new-privs", "--bounding-set", bounding,
                          harness.OUTRIDER, "run", "--config", config])


def total_queries(path):
    """The newest count of the snapshots that have been appended whole; 0 as long as there is none."""
    text = path.read_text() if path.exists() else ""
    rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    counts = [row["query_metrics"]["total_queries"] for row in rows if row.get("target") == "secret-engine"]
    return counts[-1] if counts else 0


def check_enough(directory, binary, capabilities):
    engine = harness.Engine("--queries", QUERIES, "--data-dir", directory / "data", "--linger", 30, binary=binary,
                            user=NOBODY, group=NOBODY, extra_groups=[])
    agent = start_agent(directory / "enough", capabilities)
    try:
        agent.await_line(agent.err, "attached to 1 process", harness.ATTACH_SECONDS)
        engine.release()
        output = directory / "enough" / "out.json"
        harness.wait_until(lambda: total_queries(output) == QUERIES, 20, f"{QUERIES} queries counted")
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0, agent.describe()
        said = "\n".join(agent.err)
        for name, complaint in MISSED.items():
            assert complaint not in said, f"{name}: {said}"
    finally:
        agent.kill()
        engine.kill()


def check_needed(directory, binary, capabilities):
    engine = harness.Engine("--queries", QUERIES, "--data-dir", directory / "data", binary=binary,
                            user=NOBODY, group=NOBODY, extra_groups=[])
    try:
        for name in capabilities:
            agent = start_agent(directory / name, [other for other in capabilities if other != name])
            try:
                agent.await_line(agent.err, MISSED[name], harness.ATTACH_SECONDS)
            finally:
                agent.kill()
    finally:
        engine.kill()


def main():
    need("setpriv")
    harness.require_kernel()
    capabilities = capabilities_in(PACKAGING / "outrider.service")
    assert set(capabilities) == set(MISSED), f"not those that this test knows: {capabilities}"
    doctor = subprocess.run([harness.OUTRIDER, "doctor"], capture_output=True, text=True, check=False).stdout
    multi = "uprobe_multi" in doctor
    with work_directory() as name:
        directory = pathlib.Path(name)
        os.chmod(directory, 0o755)
        binary = directory / "secret-engine"
        shutil.copy(harness.ENGINE, binary)
        os.chown(binary, NOBODY, NOBODY)
        os.chmod(binary, 0o700)
        data = directory / "data"
        data.mkdir()
        os.chown(data, NOBODY, NOBODY)
        extra = [] if multi else capabilities_in(PACKAGING / "examples" / "perf-uprobes.conf")
        check_enough(directory, binary, capabilities + extra)
        # CAP_SYS_ADMIN stands in for some of the others.
        if multi:
            check_needed(directory, binary, capabilities)
    print(f"enough{' and needed' if multi else ''}: {' '.join(capabilities + extra)}")


if __name__ == "__main__":
    main()
