"""Flame graphs of the example engine: what queries run and where they wait, each under its own type.

Which type a sample belongs to is checked against the engine itself: four of its functions answer queries of one type
only (usdt/example/engine.cpp), so whoever runs in one of them is in a query of that type, and the engine's record says
that all types ran."""

import collections
import gzip
import json
import re
import subprocess
import time
import xml.etree.ElementTree

import harness

# The function that only queries of this type run.
ANSWERS = {"path": "shortest_path", "relational": "count_related", "hierarchical": "class_depth",
           "aggregate": "summarize_predicate"}
# What a thread that cannot have its mutex is in: the C library's function, by name where its debug file is installed.
LOCK = re.compile(r"lll_lock_wait|pthread_mutex_lock|libc\.so")


def parse_folded(text):
    """[(frames, value)], the outermost frame first."""
    stacks = []
    for line in text.splitlines():
        frames, _, value = line.rpartition(" ")
        stacks.append((frames.split(";"), int(value)))
    return stacks


def share_of(stacks, condition):
    total = sum(value for _, value in stacks)
    return sum(value for frames, value in stacks if condition(frames)) / total


def has(frames, name):
    return any(name in frame for frame in frames)


class Flame(harness.Case):
    def flame(self, *arguments, code=0, seconds=harness.PATIENCE_SECONDS):
        """Runs `outrider flame`; returns (stdout, stderr)."""
        child = harness.Child([harness.OUTRIDER, "flame", *arguments])
        self.addCleanup(child.kill)
        links = set()
        while child.running and not links:
            links = harness.bpf_links_of(child.pid)
        got = child.wait(seconds)
        harness.assert_links_gone(links)
        self.assertEqual(got, code, child.describe())
        return "\n".join(child.out), "\n".join(child.err)

    def of_load(self, load, *arguments, code=0):
        """A flame graph of an engine that is under load all the time. Returns (stacks, what was said)."""
        engine = self.engine(*load, "--duration", 60, record=False, hold=False, delay=0)
        out, err = self.flame("--pid", engine.pid, "--for", "2s", *arguments, code=code)
        self.assertTrue(engine.running, engine.describe())
        return parse_folded(out), err

    def test_slow_cpu(self):
        """The slow function is what runs."""
        stacks, said = self.of_load(("--threads", 2, "--rate", 100, "--fault", "spin:10/100@0"))
        self.assertGreater(share_of(stacks, lambda frames: has(frames, "WaitPlanter::plant")), 0.9, said)
        self.assertRegex(said, r"\d+ samples over")
        self.assertIn("truncated: ", said)
        self.assertIn("losses: none", said)
        broken = share_of(stacks, lambda frames: "[truncated]" in frames)
        self.assertAlmostEqual(100 * broken, float(re.search(r"truncated: ([\d.]+) %", said)[1]), delta=0.1)
        for frames, _ in stacks:  # a stack is whole, or says that it is not
            self.assertTrue(frames[1] == "[truncated]" or re.search("_M_run|start_thread|clone", frames[1]), frames)

    def test_lock_convoy(self):
        """The lock is on top of what queries wait for, and the wait is as long as the engine's own record has it."""
        engine = self.engine("--threads", 4, "--rate", 200, "--fault", "lock:5/100@0", "--duration", 5)
        child = harness.Child([harness.OUTRIDER, "flame", "--pid", engine.pid, "--off-cpu", "--no-kernel", "--for",
                               "60s", "--threshold", "1ms", "--type", "path"])
        self.addCleanup(child.kill)
        harness.wait_until(lambda: harness.bpf_links_of(child.pid) or not child.running, 30, "the attach")
        child.await_line(child.err, "recording", harness.ATTACH_SECONDS)
        engine.release()
        rows = engine.finish()
        self.assertEqual(child.wait(), 0, child.describe())  # ends with the engine
        stacks, said = parse_folded("\n".join(child.out)), "\n".join(child.err)
        self.assertGreater(share_of(stacks, lambda frames: LOCK.search(frames[-1])), 0.9, stacks)
        self.assertRegex(said, r"waited for: lock 9\d\.|waited for: lock 100\.0")
        planted = sum(row.wait_ns for row in rows if row.wait_class == "lock" and row.type == "path")
        found = sum(value for _, value in stacks)
        self.assertLess(found, 1.05 * planted, said)
        self.assertGreater(found, 0.6 * planted, said)  # the rest is run queue, and waits below the threshold

    def check_types(self, stacks, said):
        """Every sample in a function of one type is that type's, and no sample of the type is in another's function."""
        by_type = collections.Counter()
        wrong = collections.Counter()
        for frames, value in stacks:
            for query_type, function in ANSWERS.items():
                if not has(frames, f"::{function}("):
                    continue
                by_type[query_type] += value
                if frames[0] != query_type:
                    wrong[query_type, frames[0]] += value
        self.assertGreater(sum(by_type.values()), 100, said)
        self.assertGreater(by_type["path"], 0, by_type)
        self.assertGreater(by_type["aggregate"], 0, by_type)
        self.assertLessEqual(sum(wrong.values()), 0.01 * sum(by_type.values()), wrong)

    def test_types(self):
        # More samples than usual, for a machine that does other things too.
        load = ("--threads", 2, "--rate", 0, "--fault", "cold:100@0")
        stacks, said = self.of_load(load, "--frequency", 999)
        self.assertEqual({frames[0] for frames, _ in stacks} - set(harness.INTENTS), set())
        self.check_types(stacks, said)

    def test_types_of_nested_queries(self):
        """An inner query's samples are its own type's and those of the query around it."""
        load = ("--threads", 2, "--rate", 0, "--mode", "nested", "--fault", "cold:100@0")
        stacks, said = self.of_load(load, "--frequency", 999)
        self.assertEqual({frames[0] for frames, _ in stacks} - set(harness.INTENTS), set())
        self.check_types(stacks, said)
        inner, _ = self.of_load(load, "--frequency", 999, "--type", "lookup")
        self.assertTrue(any(has(frames, "::shortest_path(") for frames, _ in inner), inner)

    def test_one_type_only(self):
        load = ("--threads", 2, "--rate", 0, "--fault", "cold:100@0")
        stacks, said = self.of_load(load, "--frequency", 999, "--type", "aggregate")
        others = [name for query_type, name in ANSWERS.items() if query_type != "aggregate"]
        self.assertGreater(sum(value for frames, value in stacks if has(frames, "::summarize_predicate(")), 10, said)
        self.assertLess(share_of(stacks, lambda frames: any(has(frames, f"::{name}(") for name in others)), 0.01)

    def test_queries_that_change_threads(self):
        stacks, said = self.of_load(("--mode", "hop", "--threads", 2, "--rate", 100, "--fault", "spin:10/100@0"))
        self.assertGreater(share_of(stacks, lambda frames: has(frames, "WaitPlanter::plant")), 0.8, said)

    def test_formats(self):
        engine = self.engine("--threads", 2, "--rate", 0, "--duration", 60, record=False, hold=False, delay=0)
        for ending in ("svg", "json", "pb.gz", "folded"):
            path = self.directory / f"out.{ending}"
            self.flame("--pid", engine.pid, "--for", "1s", "-o", path)
            self.assertGreater(path.stat().st_size, 100)
        svg = xml.etree.ElementTree.parse(self.directory / "out.svg").getroot()
        self.assertTrue(svg.tag.endswith("svg"))
        tree = json.loads((self.directory / "out.json").read_text())
        self.assertEqual(tree["value"], sum(child["value"] for child in tree["children"]))
        self.assertTrue(parse_folded((self.directory / "out.folded").read_text()))
        self.assertEqual([name.name for name in self.directory.glob("*.tmp")], [])
        # pprof's file is a gzipped message of protocol buffers; protoc knows nothing of how we wrote it.
        message = gzip.decompress((self.directory / "out.pb.gz").read_bytes())
        read = subprocess.run(["protoc", "--decode_raw"], input=message, capture_output=True, check=True,
                              timeout=harness.PATIENCE_SECONDS).stdout.decode()
        strings = re.findall(r'^6: "(.*)"$', read, re.M)  # string_table
        self.assertEqual(strings[0], "")
        self.assertLessEqual({"samples", "count", "cpu", "nanoseconds"}, set(strings))
        self.assertTrue(any("outrider::example::" in name for name in strings), strings[:50])
        self.assertGreater(len(re.findall(r"^2 {$", read, re.M)), 0)  # sample

    def test_difference(self):
        """A function that is slow in the second recording is what grew, by as much as the two files say."""
        load = ("--threads", 2, "--rate", 0, "--duration", 60)
        before_file = self.directory / "before.folded"
        fast = self.engine(*load, record=False, hold=False, delay=0)
        self.flame("--pid", fast.pid, "--for", "3s", "-o", before_file)
        fast.kill()
        before = {tuple(frames): value for frames, value in parse_folded(before_file.read_text())}
        engine = self.engine(*load, "--fault", "spin:10/100@0", record=False, hold=False, delay=0)
        out, said = self.flame("--pid", engine.pid, "--for", "3s", "--compare", before_file)
        stacks = []
        for line in out.splitlines():
            frames, old, new = line.rsplit(" ", 2)
            stacks.append((frames.split(";"), int(old), int(new)))
        scale = sum(new for _, _, new in stacks) / sum(before.values())
        self.assertIn(f"{sum(new for _, _, new in stacks)} samples over", said)
        for frames, old, new in stacks:
            self.assertAlmostEqual(old, before.get(tuple(frames), 0) * scale, delta=0.51)
            self.assertGreater(old + new, 0)
        self.assertLessEqual({frames for frames, value in before.items() if value * scale >= 1},
                             {tuple(frames) for frames, _, _ in stacks}, "stacks that are no more are there too")
        planted = "WaitPlanter::plant"
        self.assertLess(share_of([(frames, old) for frames, old, _ in stacks], lambda frames: has(frames, planted)), 0.05)
        self.assertGreater(share_of([(frames, new) for frames, _, new in stacks], lambda frames: has(frames, planted)), 0.8)
        self.check_svg_of_difference(engine, before_file, planted)

    def check_svg_of_difference(self, engine, before_file, planted):
        """The planted function grew by most of the whole, and each frame has its step's colour of the legend."""
        svg_file = self.directory / "difference.svg"
        self.flame("--pid", engine.pid, "--for", "2s", "--compare", before_file, "-o", svg_file)
        svg = xml.etree.ElementTree.parse(svg_file).getroot()
        legend = [rect.get("fill") for rect in svg.iterfind("{*}rect")][1:]  # the first is the ground
        grown = 0
        for group in svg.iterfind("{*}g"):
            title = group.find("{*}title").text
            points = float(re.search(r": ([+-][\d.]+) percentage points\)$", title)[1])
            if planted in title:
                grown += points
            steps = [step for step in (0.5, 3, 10) if abs(points) >= step]
            if min(abs(abs(points) - step) for step in (0.5, 3, 10)) > 0.05:  # else the rounded figure does not say
                self.assertEqual(group.find("{*}rect").get("fill"), legend[3 + (len(steps) if points > 0 else -len(steps))], title)
        self.assertGreater(grown, 80)  # of all query types together
        self.assertEqual(len(set(legend)), 7)

    def test_bad_files_to_compare_with(self):
        broken, empty = self.directory / "broken.folded", self.directory / "empty.folded"
        broken.write_text("main;search 3\nmain;sort\n")
        empty.write_text("")
        good = self.directory / "good.folded"
        good.write_text("main 1\n")
        for arguments, sentence in ((("--compare", broken), f"{broken}:2: there is no whole number at the end of the line"),
                                    (("--compare", empty), f"{empty}: there is nothing in it to compare with"),
                                    (("--compare", self.directory / "absent"), "No such file or directory"),
                                    (("--compare", self.directory), "Is a directory"),
                                    (("--compare", good, "-o", "x.pb.gz"), "pprof -diff_base"),
                                    (("--compare", good, "--compare-for", "never"), "--compare-for: "),
                                    (("--compare-for", "10s"), "there is no --compare")):
            with self.subTest(arguments):
                begin = time.monotonic()
                _, said = self.flame("--pid", "1", "--for", "50s", *arguments, code=2)
                self.assertIn(sentence, said)
                self.assertLess(time.monotonic() - begin, 40, "it is said before anything is recorded")

    def test_nothing_to_see(self):
        engine = self.engine("--threads", 2, "--rate", 0, "--duration", 60, record=False)
        engine.release()
        _, said = self.flame("--pid", engine.pid, "--for", "1s", "--type", "no-such-type", code=1)
        self.assertIn("no-such-type", said)
        self.assertIn("types that were seen: ", said)
        path = self.directory / "out.svg"
        self.flame("--pid", engine.pid, "--for", "1s", "--type", "no-such-type", "-o", path, code=1)
        self.assertFalse(path.exists())

    def test_bad_arguments(self):
        for arguments, code, sentence in (((), 2, ""),
                                          (("--pid", "1", "-o", "x.png"), 2, "the ending says the format"),
                                          (("--pid", "1", "--for", "never"), 2, "duration"),
                                          (("--pid", "4194304"), 1, "no process"),
                                          (("--pid", "1", "--name", "x"), 2, "")):
            with self.subTest(arguments):
                _, said = self.flame(*arguments, code=code)
                self.assertIn(sentence, said)

    def test_an_output_that_cannot_be_written(self):
        engine = self.engine("--threads", 2, "--rate", 0, "--duration", 60, record=False, hold=False, delay=0)
        _, said = self.flame("--pid", engine.pid, "--for", "1s", "-o", self.directory / "absent" / "out.svg", code=1)
        self.assertIn("No such file or directory", said)


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
