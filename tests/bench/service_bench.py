"""What the service costs with 8 targets of 20 query types each, and a day of their history."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from processes import BIN, Child, cpu_seconds, fail, rss_mib, wait_for

TARGETS, TYPES = 8, 20
RATE = 50  # queries a second of each type
HOURS = 24
# (what is asked, arguments of `outrider history`); steps of the whole day, at most 500 of them.
QUESTIONS = (
    ("p99 of a type, 24 h in 480 steps", ["--type", "type-07", "--metric", "p99", "--step", "3m"]),
    ("p99 of a type, 24 h in 144 steps", ["--type", "type-07", "--metric", "p99", "--step", "10m"]),
    ("p99 of a type, 24 h in 493 steps off the grid", ["--type", "type-07", "--metric", "p99", "--step", "175s"]),
    ("qps of all types, 24 h in 480 steps", ["--metric", "qps", "--step", "3m"]),
    ("CPU of the target, 24 h in 480 steps", ["--metric", "target_metrics.cpu_usage", "--step", "3m"]),
    ("p99 of a type, the last hour in 360 steps", ["--type", "type-07", "--metric", "p99", "--step", "10s"]),
)
CONFIG = """
[agent]
max_overhead = "off"
[store]
path = "{directory}/history.db"
max_size = "2GiB"
[http]
port = {port}
[export]
export_prometheus = true
[export.textfile]
path = "{directory}/outrider.prom"
[export.json]
path = "{directory}/snapshots.jsonl"
[export.influxdb]
file = "{directory}/points.influx"
[log]
level = "warning"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_history(path, hours):
    done = subprocess.run([f"{BIN}/store-bench", path, str(hours)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        fail("store-bench failed")
    return json.loads(done.stdout)


def ask(path, arguments, begin, end, rounds=7):
    """Milliseconds of a whole `outrider history`: the median and the slowest; and how many lines it answered."""
    command = [f"{BIN}/outrider", "history", "--db", path, "--target", "engine-3", "--from", f"@{begin}", "--to",
               f"@{end}", "--format", "csv", *arguments]
    times = []
    for _ in range(rounds):
        before = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times.append(1000 * (time.monotonic() - before))
        if done.returncode != 0:
            fail(done.stderr)
    return sorted(times)[rounds // 2], max(times), done.stdout.count("\n") - 1


def print_history(path, written):
    size = sum(os.path.getsize(path + suffix) for suffix in ("", "-wal") if os.path.exists(path + suffix))
    hours = (written["end"] - written["begin"]) // 3600
    print(f"history: {hours} h at 1 s, {written['targets']} targets x {written['types']} types: "
          f"{written['points']:,} points, {written['dropped']} dropped; file {size / 2**20:.0f} MiB; "
          f"{written['ms_per_second_of_history']:.1f} ms of writing for a second of all targets; "
          f"memory grew by {written['rss_growth_mib']:.1f} MiB")
    print(f"24 h percentiles from the store against all durations: {written['percentiles_compared']} compared, "
          f"{written['in_another_bucket']} in another bucket, {written['types_with_another_count']} types with another "
          f"count, largest error {100 * written['worst_error']:.2f} %")
    for what, arguments in QUESTIONS:
        begin = written["end"] - 3600 if "last hour" in what else written["begin"]
        median, slowest, lines = ask(path, arguments, begin, written["end"])
        print(f"outrider history, {what}: {median:.0f} ms (slowest {slowest:.0f} ms), {lines} lines (bar: 100 ms)")


class Service:
    """The agent on a configuration, serving while the block runs."""

    def __init__(self, directory, targets):
        self.url = f"http://127.0.0.1:{free_port()}"
        path = f"{directory}/outrider.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(directory=directory, port=self.url.rpartition(":")[2]))
            file.writelines(f'[[targets]]\n{found_by}\ndisplay_name = "{name}"\n' for name, found_by in targets.items())
        self.child = Child([f"{BIN}/outrider", "run", "--config", path])
        self.pid = self.child.process.pid

    def __enter__(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.get("/readyz")
                return self
            time.sleep(0.1)
        self.child.__exit__()
        fail("outrider run did not serve")

    def __exit__(self, *arguments):
        self.child.__exit__(*arguments)

    def get(self, path, accept="text/plain"):
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name):
        return float(re.search(rf"^llmkg_{name}(?:{{[^}}]*}})? (\S+)$", self.get("/metrics"), re.M).group(1))


def many_types(seconds, binary=f"{BIN}/many-types", types=TYPES):
    return Child([binary, str(types), str(RATE), str(seconds)], stdout=subprocess.PIPE)


def serialiser(text):
    """Milliseconds of CPU that prometheus-cpp's serialiser takes for these samples, and how many lines they are."""
    done = subprocess.run([f"{BIN}/serialiser-bench"], input=text, stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout)
    return said["ms"], said["lines"]


def check_formats(service, directory):
    """What independent readers say of each export: (export, verdict)."""
    text = service.get("/metrics")
    if shutil.which("promtool"):
        for name, metrics in (("/metrics", text), ("textfile", open(f"{directory}/outrider.prom").read())):
            done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True,
                                  check=False)
            yield f"Prometheus text, {name}", f"promtool says {(done.stdout + done.stderr).strip() or 'nothing'}"
    with contextlib.suppress(ImportError):
        sys.path.append("/usr/lib/python3/dist-packages")
        from prometheus_client.openmetrics import parser
        families = list(parser.text_string_to_metric_families(
            service.get("/metrics", "application/openmetrics-text; version=1.0.0")))
        yield "OpenMetrics", f"its parser reads {len(families)} families"
    lines = [json.loads(line) for line in open(f"{directory}/snapshots.jsonl")]
    yield "JSON", f"{len(lines)} lines, each an object"


def sampling_seconds(pid):
    """CPU time of the thread that reads, computes and hands on: the process's first one."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def collect(directory, seconds=20):
    """Prints costs of an interval, memory and time keeping of the service with 8 engines."""
    with contextlib.ExitStack() as stack:
        targets = {}
        for target in range(TARGETS):
            process = stack.enter_context(many_types(seconds + 20))
            wait_for(process.stdout, "ready pid=", "many-types")
            targets[f"engine-{target}"] = f"pid = {process.pid}"
        service = stack.enter_context(Service(directory, targets))
        time.sleep(5)
        names = ("agent_reading_seconds_total", "agent_intervals_total")
        begin, cpu = [service.metric(name) for name in names], cpu_seconds(service.pid)
        sampling = sampling_seconds(service.pid)
        for _ in range(seconds):
            service.get("/metrics")
            time.sleep(1)
        end, cpu = [service.metric(name) for name in names], cpu_seconds(service.pid) - cpu
        sampling = sampling_seconds(service.pid) - sampling
        rounds = (end[1] - begin[1]) / TARGETS
        print(f"collection overhead per interval, {TARGETS} targets x {TYPES} types: "
              f"{1000 * sampling / rounds:.2f} ms of CPU for reading, computing and handing on, which took "
              f"{1000 * (end[0] - begin[0]) / rounds:.2f} ms; in all {1000 * cpu / rounds:.2f} ms of CPU, with history, four exports and a scrape each second "
              f"(gate: below 100 ms; bar: 5 ms)")
        library, lines = serialiser(service.get("/metrics"))
        print(f"of which prometheus-cpp's serialiser alone takes {library:.2f} ms for the {lines:,} lines of the textfile, "
              f"and as much again for the scrape")
        for step in ("3m", "10m"):
            service.get(f"/api/v1/history?target=engine-3&type=type-07&metric=p99&since=24h&step={step}")
        service.get("/api/v1/dashboard?target=engine-3&window=24h")
        memory, maps = rss_mib(service.pid), service.metric("agent_map_memory_bytes") / 2**20
        print(f"memory for metrics: RSS {memory:.1f} MiB + kernel maps {maps:.1f} MiB = {memory + maps:.1f} MiB, after "
              f"questions about 24 h (bar: 80 MB); bounded by the number of slots")
        print(f"stable under load: {service.metric('agent_missed_intervals_total'):.0f} of {end[1]:.0f} readings missed, "
              f"loop lag p99 {1000 * service.metric('agent_loop_lag_p99_seconds'):.2f} ms (bar: 20 ms)")
        for export, verdict in check_formats(service, directory):
            print(f"every export format valid: {export}: {verdict}")


def availability(directory, up=8, down=6):
    """An engine that runs, is gone, and runs again: prints what the service makes of the known outage."""
    engine = shutil.copy2(f"{BIN}/many-types", f"{directory}/engine")
    with Service(directory, {"engine": f'exe = "{engine}"'}) as service:
        with many_types(up, engine, 1) as process:
            wait_for(process.stdout, "ready pid=", "many-types")
            begin = time.monotonic()
            process.wait()
        gone = time.monotonic()
        time.sleep(down)
        with many_types(up, engine, 1) as process:
            wait_for(process.stdout, "ready pid=", "many-types")
            back = time.monotonic()
            process.wait()
            end = time.monotonic()
        rows = json.loads(service.get("/api/v1/history?target=engine&since=10m&step=10m&metric=up_seconds,down_seconds"
                                      "&format=json"))["points"]
        said = [sum(row[f"availability.{state}_seconds"] or 0 for row in rows) for state in ("up", "down")]
        print(f"99.9 % uptime monitored: an engine up for {gone - begin + end - back:.1f} s and gone for "
              f"{back - gone:.1f} s was reported up for {said[0]:.1f} s and down for {said[1]:.1f} s")


def store(hours=HOURS):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        path = f"{directory}/history.db"
        print_history(path, write_history(path, hours))
        collect(directory)


def gates():
    for measure in (collect, availability):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            measure(directory)
