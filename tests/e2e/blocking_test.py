"""Who blocks whom: planted chains, against the time that the engine itself measured, and a row lock of PostgreSQL."""

import re
import threading
import time

import harness
import postgresql_server

LEAST_SHARE = 0.95  # of the time that was waited: for the right culprit
HELD_SECONDS = 0.6  # below PostgreSQL's deadlock_timeout, which wakes the one that waits


def waited_for(summary, waiter, culprit):
    """(seconds that it waited for the culprit, for anybody; the classes of those waits)"""
    mine = [one for one in summary["query_metrics"]["blocking"] if one["type"] == waiter]
    right = [one for one in mine if one["blocked_by"] == culprit]
    return sum(one["seconds"] for one in right), sum(one["seconds"] for one in mine), {one["wait"] for one in right}


class Chains(harness.Case):
    def check(self, how, classes):
        engine = self.scripted("chain", "reader", "writer", how, "20", "25", "chain", "buyer", "seller", how, "10", "25")
        watch = self.watch("--pid", engine.pid, "--mode", "full")
        engine.release()
        self.assertEqual(engine.wait(), 0, engine.describe())
        summary = next(iter(watch.end().values()))
        self.assertEqual(harness.lost(summary), {})
        for line in engine.out:
            waiter, ns, culprit = re.fullmatch(r"(\w+) waited (\d+) ns for (\w+)", line).groups()
            truth = int(ns) / 1e9
            right, all_of_it, seen = waited_for(summary, waiter, culprit)
            print(f"{how}: {waiter} waited {truth:.4f} s for {culprit}; named for {right / truth:.1%} of it, {right / all_of_it:.1%} of ours")
            self.assertGreaterEqual(right, LEAST_SHARE * truth)
            self.assertLessEqual(right, 1.02 * truth)
            self.assertGreaterEqual(right, LEAST_SHARE * all_of_it)
            self.assertEqual(seen, classes)
        self.assertEqual(len(engine.out), 2)

    def test_locks(self):
        self.check("lock", {"lock"})

    def test_pipes(self):
        self.check("pipe", {"ipc"})


class RowLock(postgresql_server.Case):
    def test_who_commits_is_named(self):
        self.server.query("CREATE TABLE rows (id int, value int)")
        self.server.query("INSERT INTO rows VALUES (1, 0)")
        watch = self.watch_server()
        with self.server.session() as holder, self.server.session() as other:
            holder.query("BEGIN")
            holder.query("UPDATE rows SET value = 1 WHERE id = 1")
            took = []

            def wait():
                begin = time.monotonic()
                other.query("UPDATE rows SET value = value + 1 WHERE id = 1")
                took.append(time.monotonic() - begin)
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(HELD_SECONDS)
            holder.query("COMMIT")
            thread.join()
        summary = watch.stop_one()
        names = {type["statement"]: name for name, type in summary["query_metrics"]["query_type_breakdown"].items()}
        waiter, culprit = names["update rows set value = value + ? where id = ?"], names["commit"]
        right, all_of_it, _ = waited_for(summary, waiter, culprit)
        print(f"row lock: waited {took[0]:.4f} s; named for {right / took[0]:.1%} of it")
        self.assertGreaterEqual(right, LEAST_SHARE * min(took[0], HELD_SECONDS))
        self.assertGreaterEqual(right, LEAST_SHARE * all_of_it)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
