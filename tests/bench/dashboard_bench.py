"""What the dashboard costs and how late it is, on Chromium and the real agent."""
import contextlib
import csv
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from processes import BIN, ROOT, engine, rss_mib, wait_for
from service_bench import TARGETS, Service, many_types, write_history

WEB = os.path.join(os.path.dirname(BIN), "web")


def browse(url, scenario, **options):
    """The figures that a scenario of measurements.mjs prints."""
    known = {"modules": f"{WEB}/node_modules/", "chromium": shutil.which("chromium")}
    done = subprocess.run(["node", f"{ROOT}/tests/web/browser.mjs", scenario, url, json.dumps({**known, **options})],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    if done.returncode != 0 or not lines:
        print(f"the browser failed: {done.stderr.strip()[-500:]}")
        return None
    return json.loads(lines[-1].removeprefix("FIGURES "))


def can_browse():
    missing = [name for name in ("node", "chromium") if not shutil.which(name)]
    if not os.path.isdir(f"{WEB}/node_modules"):
        missing.append("the dashboard's packages")
    if missing:
        print(f"dashboard without lag: NOT MEASURED: this machine has no {', '.join(missing)}")
    return not missing


def latencies(record, painted, offset):
    """Seconds from the end of each query to the paint of the first interval that counts it."""
    painted = sorted((time_ms / 1000, at_ms / 1000) for time_ms, at_ms in painted)
    found, index = [], 0
    with open(record, newline="", encoding="ascii") as file:
        ends = sorted(int(row["end_ns"]) / 1e9 + offset for row in csv.DictReader(file))
    for end in ends:
        while index < len(painted) and painted[index][0] < end:
            index += 1
        if index < len(painted) and end >= painted[0][0]:
            found.append(painted[index][1] - end)
    return sorted(found)


def lag(seconds=30):
    """Prints the time from a query's end until it is on the screen."""
    if not can_browse():
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        record = f"{directory}/record.csv"
        with engine("--rate", "400", "--delay", "3", "--duration", str(seconds + 25), "--record", record) as process:
            wait_for(process.stdout, "ready pid=", "graph-engine")
            with Service(directory, {"engine": f"pid = {process.pid}"}) as service:
                time.sleep(8)
                offset = time.time() - time.monotonic()
                figures = browse(service.url, "live", seconds=seconds)
            process.wait()
        if figures is None:
            return
        times = latencies(record, figures["painted"], offset)
    updates = len(figures["painted"])
    print(f"dashboard without lag: from a query's end to the screen: median {1000 * statistics.median(times):.0f} ms, "
          f"p99 {1000 * times[int(0.99 * len(times))]:.0f} ms, of {len(times)} queries, interval 1 s "
          f"(bar: the interval and 200 ms)")
    print(f"a live update costs the page {1000 * figures['script'] / updates:.1f} ms of script and "
          f"{1000 * figures['task'] / updates:.1f} ms of its main thread in all, the looks at history included "
          f"(bar: 8 ms)")


class Readers:
    """Clients of the event stream that read all they get."""

    def __init__(self, url, number):
        host, port = url.removeprefix("http://").split(":")
        self.sockets = []
        for index in range(number):
            client = socket.create_connection((host, int(port)))
            client.sendall(f"GET /api/v1/live?target=engine-{index % TARGETS} HTTP/1.1\r\nHost: localhost\r\n"
                           "Accept: text/event-stream\r\n\r\n".encode())
            self.sockets.append(client)
            threading.Thread(target=self.drain, args=(client,), daemon=True).start()

    @staticmethod
    def drain(client):
        with contextlib.suppress(OSError):
            while client.recv(1 << 16):
                pass

    def close(self):
        for client in self.sockets:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()


def cpu_of_threads(pid):
    """Seconds of CPU, to the nanosecond."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def cost_of_streams(service, number, seconds=20):
    """CPU seconds a second of the agent with so many open streams."""
    readers = Readers(service.url, number)
    time.sleep(2)
    before = cpu_of_threads(service.pid)
    time.sleep(seconds)
    used = cpu_of_threads(service.pid) - before
    readers.close()
    time.sleep(1)
    return used / seconds


def lag_buckets(service):
    """[(upper edge in seconds, readings that were no later)]"""
    found = re.findall(r'^llmkg_agent_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', service.get("/metrics"), re.M)
    return [(float(edge), float(count)) for edge, count in found]


def least_bucket(before, after, quantile):
    """The upper edge of the bucket where that quantile of what came in between lies."""
    came = [(edge, count - earlier) for (edge, count), (_, earlier) in zip(after, before)]
    return next(edge for edge, count in came if count >= quantile * came[-1][1])


def with_history(directory, hours=24):
    write_history(f"{directory}/history.db", hours)
    with contextlib.ExitStack() as stack:
        targets = {}
        for target in range(TARGETS):
            process = stack.enter_context(many_types(300))
            wait_for(process.stdout, "ready pid=", "many-types")
            targets[f"engine-{target}"] = f"pid = {process.pid}"
        service = stack.enter_context(Service(directory, targets))
        time.sleep(5)
        for window in ("5m", "24h"):
            figures = browse(service.url, "first_paint", path=f"/#/overview?target=engine-3&last={window}", rounds=5)
            if figures is None:
                continue
            median = {name: statistics.median(each[name] for each in figures["rounds"]) for name in figures["rounds"][0]}
            print(f"{hours} h of history of {TARGETS} targets, window {window}: first paint {median['paint']:.0f} ms, first figures "
                  f"{median['figures']:.0f} ms, charts and table {median['all']:.0f} ms after the navigation (bar: first paint 1 s)")
        idle, ten = cost_of_streams(service, 0), cost_of_streams(service, 10)
        print(f"a live update costs the agent {1000 * (ten - idle) / 10:.2f} ms of CPU for each of 10 open pages (bar: 2 ms)")
        before = rss_mib(service.pid)
        lags = lag_buckets(service)
        cost_of_streams(service, 50, seconds=60)
        print(f"50 open pages for a minute: loop lag p99 at most {1000 * least_bucket(lags, lag_buckets(service), 0.99):.1f} ms, "
              f"longest at most {1000 * least_bucket(lags, lag_buckets(service), 1):.1f} ms (bar: 20 ms), "
              f"{service.metric('agent_missed_intervals_total'):.0f} readings missed, memory {before:.1f} MiB before and "
              f"{rss_mib(service.pid):.1f} MiB after")


def dashboard():
    sizes = {name: os.path.getsize(f"{WEB}/dist/{name}") for name in sorted(os.listdir(f"{WEB}/dist"))}
    first = sum(size for name, size in sizes.items() if not name.startswith("flame"))
    print(f"size: {sum(sizes.values()):,} bytes compressed, {first:,} of them for the first page (bar: 150,000)")
    lag()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        with_history(directory)
