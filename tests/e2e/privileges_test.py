"""What the service may do, thread by thread: as root it gives up what it does not need, and a user with exactly the
capabilities that the unit documents needs no more. Attaching, to engines of other users that come later, works after
that; threads that talk to others have nothing at all, and neither have the programs that they start."""

import http.server
import os
import pathlib
import re
import threading

import harness
from alerts_harness import AlertsCase
from service_harness import free_port

ENGINE_USER, AGENT_USER = 65534, 65533
QUERIES = 500
# As in linux/capability.h.
BITS = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_LEASE": 28, "CAP_PERFMON": 38,
        "CAP_BPF": 39}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
ATTACHING = ("outrider", "outrider-flame", "outrider-stacks")
HARMLESS = ("outrider-http", "outrider-ask", "outrider-sink", "outrider-alert", "outrider-store", "outrider-audit")
SECRET = "s3cret-of-another-user"
ALWAYS = 'id = "always"\nname = "Always"\ncondition = "query_metrics.interval_queries"\nabove = 0\nfor = "0s"\nseverity = "warning"'


def documented():
    """The capabilities of the unit; on kernels without uprobe_multi those of the drop-in for them too."""
    packaging = harness.SOURCE / "packaging"
    files = [packaging / "outrider.service"]
    if not multi():
        files.append(packaging / "examples" / "perf-uprobes.conf")
    lines = [line for file in files for line in re.findall(r"^CapabilityBoundingSet=(.*)", file.read_text(), re.M)]
    return sorted(set(" ".join(lines).split()))


def multi():
    doctor = harness.subprocess.run([harness.OUTRIDER, "doctor"], capture_output=True, text=True, check=False)
    return "uprobe_multi" in doctor.stdout


def mask(names):
    return sum(1 << BITS[name] for name in names)


def status_of(path):
    """The capability sets in a status file, and no_new_privs."""
    text = pathlib.Path(path).read_text()
    found = {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+):\s+(\w+)", text, re.M)}
    found["NoNewPrivs"] = int(re.search(r"^NoNewPrivs:\s+(\d)", text, re.M)[1])
    return found


class Receiver:
    """A webhook's other end, which keeps what clients say of themselves."""

    def __init__(self):
        self.port, self.authorizations = free_port(), []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.authorizations.append(self.headers["Authorization"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Privileges(AlertsCase):
    def setUp(self):
        super().setUp()
        self.directory.chmod(0o755)
        self.outputs = self.owned_directory("outputs", os.geteuid())
        self.foreign = self.owned_directory("foreign", ENGINE_USER)
        self.database = self.outputs / "history.db"
        self.told_path = self.outputs / "alerts.jsonl"
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)

    def owned_directory(self, name, user):
        path = self.directory / name
        path.mkdir()
        os.chown(path, user, user)
        return path

    def configure_all(self):
        """One thread of each kind, an engine that is still to come, and a secret of another user's."""
        secret = self.foreign / "token"
        secret.write_text(SECRET + "\n", encoding="utf-8")
        os.chown(secret, ENGINE_USER, ENGINE_USER)
        secret.chmod(0o400)
        script = self.directory / "program"
        script.write_text('#!/bin/sh\ngrep -E "^(Cap|NoNewPrivs)" /proc/self/status >"$1.new" && mv "$1.new" "$1"\n')
        script.chmod(0o755)
        self.configure_alerts(['name = "secret-engine"\ndisplay_name = "engine"\naudit = "unix:///nobody/answers"'], [ALWAYS], channels=f"""
[[alerts.channels]]
type = "exec"
group_wait = "off"
command = ["{script}", "{self.outputs / "program.status"}"]
[[alerts.channels]]
type = "webhook"
group_wait = "off"
url = "http://127.0.0.1:{self.receiver.port}/"
bearer_token_file = "{secret}"
""", more=f"""
[export.textfile]
path = "{self.outputs / "engine.prom"}"
[export.json]
path = "{self.foreign / "snapshots.json"}"
""")

    def foreign_engine(self, *arguments):
        """Of another user, in a file that nobody else may read; held."""
        binary = harness.copy_of_engine(self.foreign, "secret-engine")
        os.chown(binary, ENGINE_USER, ENGINE_USER)
        binary.chmod(0o700)
        engine = harness.Engine(*arguments, "--data-dir", self.foreign, binary=binary, user=ENGINE_USER, group=ENGINE_USER,
                                extra_groups=[])
        self.addCleanup(engine.kill)
        return engine

    def threads(self, agent):
        """The status of each thread, by its name; of several with one name they are the same."""
        found = {}
        for task in pathlib.Path(f"/proc/{agent.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            status = status_of(task / "status")
            self.assertEqual(found.setdefault(name, status), status, name)
        return found

    def assert_privileges(self, agent, bounding):
        kept = mask(documented())
        threads = self.threads(agent)
        self.assertEqual(set(threads), {*ATTACHING, *HARMLESS})
        for name, status in threads.items():
            own = kept if name in ATTACHING else 0
            expected = dict(zip(SETS, (0, own, own, bounding, 0)))
            self.assertEqual(status, {**expected, "NoNewPrivs": 1}, name)

    def watch_what_comes_later(self, agent):
        """An engine that is started, attached to and counted after everything was given up; then a flame graph of it."""
        engine = self.foreign_engine("--rate", 500, "--queries", QUERIES, "--linger", 60)
        agent.await_line(agent.err, "attached", harness.ATTACH_SECONDS)
        harness.wait_until(lambda: any(target["processes"] == 1 for target in agent.json("/api/v1/targets")["targets"]),
                           harness.PATIENCE_SECONDS, "the engine is found")
        engine.release()
        snapshot = agent.await_total("engine", QUERIES)
        self.assertEqual(snapshot["query_metrics"]["total_queries"], QUERIES)
        self.assertEqual(harness.losses(snapshot), 0, snapshot["losses"])

        def flame():
            answer = agent.json("/api/v1/flame?target=engine&kind=off_cpu&for=1s")
            return answer if "flame" in answer else None
        harness.wait_until(flame, harness.PATIENCE_SECONDS, "a flame graph")

    def assert_told(self):
        """By the webhook with its secret, and by a program that has no capability."""
        program = self.outputs / "program.status"
        harness.wait_until(lambda: self.receiver.authorizations and program.exists(), harness.PATIENCE_SECONDS,
                           "the webhook and the program are told")
        self.assertEqual(set(self.receiver.authorizations), {f"Bearer {SECRET}"})
        status = status_of(program)
        self.assertEqual({name: status[name] for name in SETS if name != "CapBnd"},
                         {name: 0 for name in SETS if name != "CapBnd"})
        self.assertEqual(status["NoNewPrivs"], 1)

    def test_root_gives_up_what_it_does_not_need(self):
        self.configure_all()
        agent = self.start()
        self.watch_what_comes_later(agent)
        self.assert_told()
        self.assert_privileges(agent, bounding=mask(documented()))
        self.assertIn("llmkg_queries_total", (self.outputs / "engine.prom").read_text())
        if multi():
            reasons = agent.snapshot("engine")["losses"]["unavailable"]
            self.assertIn("overhead: from typical run times", "\n".join(reasons))
        # Of what root does not own it writes nothing any more, and says so.
        agent.await_line(agent.err, "given up CAP_DAC_OVERRIDE", harness.PATIENCE_SECONDS)
        self.assertIn(f"open {self.foreign / 'snapshots.json'}: Permission denied",
                      "\n".join(line for line in agent.err if "CAP_DAC_OVERRIDE" in line))
        agent.end()

    def test_a_user_with_the_documented_capabilities_needs_no_more(self):
        self.configure_all()
        os.chown(self.outputs, AGENT_USER, AGENT_USER)
        os.chown(self.foreign, ENGINE_USER, AGENT_USER)
        self.foreign.chmod(0o770)  # the agent's user may write here, but not read the engine and the secret
        self.config.write_text(self.config.read_text().replace("[http]", '[log]\nlevel = "debug"\n[http]'))
        capabilities = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in documented())])
        agent = self.start(prefix=[
            "setpriv", f"--reuid={AGENT_USER}", f"--regid={AGENT_USER}", "--clear-groups",
            f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"])
        self.assertEqual(pathlib.Path(f"/proc/{agent.pid}").stat().st_uid, AGENT_USER)
        self.watch_what_comes_later(agent)
        self.assert_told()
        self.assert_privileges(agent, bounding=mask(documented()))
        agent.end()
        self.assertIn("llmkg_queries_total", (self.outputs / "engine.prom").read_text())
        self.assertIn('"engine"', (self.foreign / "snapshots.json").read_text())
        self.assertTrue(self.database.exists())
        # What probes cost is estimated then, which the figures say.
        said = "\n".join(line for line in agent.err if "what the programs cost is reckoned" not in line)
        for complaint in ("Permission denied", "Operation not permitted", "no lease on a file"):
            self.assertNotIn(complaint, said)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
