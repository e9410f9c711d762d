"""Redis as the distribution has it, against its own INFO: counts and failures by command, keys that were there and that were not, under
load, in transactions and in scripts; and a server that is started anew."""

import time

import harness
import redis_server

LOADS = ("set", "get", "incr", "lpush", "mset")
REQUESTS = 20_000


class Redis(harness.Case):
    def setUp(self):
        self.server = redis_server.Server()
        self.addCleanup(self.server.stop)

    def watch_server(self, *arguments):
        return self.watch("--pid", self.server.pid, *arguments)

    def check_counts(self, load):
        with self.server.client() as client:
            watch = self.watch_server()
            before, lookups_before = self.server.counted(client)
            load(client)
            after, lookups_after = self.server.counted(client)
            summary = watch.stop_one()
        self.assertEqual(harness.lost(summary), {})
        theirs = {name: (calls - before.get(name, (0, 0))[0], failed - before.get(name, (0, 0))[1])
                  for name, (calls, failed) in after.items()}
        theirs = {name: counts for name, counts in theirs.items() if counts[0]}
        theirs["INFO"] = (2, 0)  # the first was before, and the last one did not know of itself yet
        types = summary["query_metrics"]["query_type_breakdown"]
        ours = {name: (type["count"], type["failed"]) for name, type in types.items() if type["count"]}
        self.assertEqual(ours, theirs)
        cache = summary["cache_metrics"]
        lookups = tuple(after - before for before, after in zip(lookups_before, lookups_after))
        self.assertEqual((cache["hits"], cache["misses"]), lookups)
        return summary, types

    def test_benchmark(self):
        def load(_):
            self.server.benchmark("-t", ",".join(LOADS), "-n", REQUESTS, "-c", 20)
        _, types = self.check_counts(load)
        for name in LOADS:
            self.assertGreaterEqual(types[name.upper()]["count"], REQUESTS)

    def test_keys_that_are_there_and_that_are_not(self):
        def load(client):
            for i in range(10):
                client("SET", f"key{i}", i)
            client("HSET", "hash", "field", 1)
            client("RPUSH", "list", 1, 2, 3)
            for i in range(30):
                client("GET", f"key{i}")                      # 10 of 30
            client("MGET", *(f"key{i}" for i in range(5, 15)))  # 5 of 10
            client("EXISTS", "key1", "key1", "gone")
            for name in ("hash", "gone"):
                client("HGET", name, "field")
                client("HGETALL", name)
                client("TTL", name)
                client("TYPE", name)
            client("LRANGE", "list", 0, -1)
            client("SINTER", "gone", "gone")
            client("GETDEL", "key2")
            client("GETSET", "gone", 1)
            client("SORT", "list")
            client("EVAL", "return redis.call('get', KEYS[1]) or redis.call('get', KEYS[2])", 2, "key1", "key29")
            client("SET", "short", 1, "PX", 1)
            time.sleep(0.05)
            client("GET", "short")                            # looked up, expired, a miss
            client("DEL", "key3", "nothing")
            client("RENAME", "key4", "key99")
            client("COPY", "key5", "key98")
        _, types = self.check_counts(load)
        self.assertAlmostEqual(types["GET"]["cache_hit_rate"], (10 + 1) / (30 + 1 + 1))
        self.assertAlmostEqual(types["MGET"]["cache_hit_rate"], 0.5)

    def test_failures_transactions_and_scripts(self):
        def load(client):
            def fails(*words):
                with self.assertRaises(redis_server.RedisError):
                    client(*words)
            client("set", "text", "abc")
            for _ in range(5):
                fails("INCR", "text")
            fails("LPUSH", "text", "x")
            fails("NO_SUCH_COMMAND")  # refused before it runs: no query
            fails("GET")              # neither is one with too few arguments
            client("MULTI")
            for _ in range(3):
                client("set", "a", 1)
            client("incr", "text")
            client("lPush", "list", "x")
            client("EXEC")
            client("EVAL", "for i = 1, 4 do redis.call('incr', KEYS[1]) end redis.pcall('incr', 'text') return 1", 1, "counter")
        summary, types = self.check_counts(load)
        self.assertEqual((types["INCR"]["count"], types["INCR"]["failed"]), (5 + 1 + 5, 5 + 1 + 1))
        # Those inside EXEC and EVAL are nested: the totals have the outer ones alone.
        nested = 3 + 1 + 1 + 5
        self.assertEqual(summary["query_metrics"]["total_queries"], sum(type["count"] for type in types.values()) - nested)

    def test_what_a_slow_command_does(self):
        """A script that counts for long is on the processor."""
        with self.server.client() as client:
            watch = self.watch_server()
            client("EVAL", "local n = 0 for i = 1, 3000000 do n = n + i end return n", 0)
            summary = watch.stop_one()
        script = summary["query_metrics"]["query_type_breakdown"]["EVAL"]
        self.assertEqual(script["count"], 1)
        waits = script["waits"]
        self.assertGreater(waits["cpu_seconds"] + waits["run_queue_seconds"], 0.95 * script["avg_response_time_seconds"])

    def test_restart(self):
        watch = self.watch("--name", "redis-server")
        for _ in range(2):
            with self.server.client() as client:
                for i in range(50):
                    client("SET", "key", i)
            self.server.shut_down()
            self.server.start()
        summary = watch.stop_one()
        self.assertEqual(summary["query_metrics"]["query_type_breakdown"]["SET"]["count"], 100)


if __name__ == "__main__":
    redis_server.require()
    harness.require_kernel()
    harness.main()
