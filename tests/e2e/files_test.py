"""What happens to the probed file itself: seen twice through two mounts, rewritten in place, replaced. Probes sit on the
file, so a mistake here counts a query twice, or puts a breakpoint into the middle of somebody's instruction."""

import os
import shutil
import subprocess

import harness

LOAD = ("--rate", 0, "--queries", 10_000, "--fault", "errors:5@0")


class Files(harness.Case):
    def overlay(self, name, lower):
        """A mount of `lower` of its own, as each container of one image has."""
        parts = {part: self.directory / f"{name}-{part}" for part in ("upper", "work", "merged")}
        for path in parts.values():
            path.mkdir()
        options = f"lowerdir={lower},upperdir={parts['upper']},workdir={parts['work']}"
        done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, parts["merged"]], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no overlay can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", parts["merged"]], check=True)
        return parts["merged"]

    def containers(self):
        """Two engines from one image."""
        lower = self.directory / "image"
        lower.mkdir()
        harness.copy_of_engine(lower, "twin")
        return [self.engine(*LOAD, "--seed", seed, binary=self.overlay(f"container{seed}", lower) / "twin")
                for seed in (1, 2)]

    def test_two_containers_of_one_image_as_two_targets(self):
        engines = self.containers()
        watch = self.watch("--pid", engines[0].pid, "--pid", engines[1].pid)
        for engine in engines:
            engine.release()
        rows = [engine.finish() for engine in engines]
        summaries = watch.end()
        for engine, mine in zip(engines, rows):
            summary = next(line for name, line in summaries.items() if str(engine.pid) in name)
            self.assert_counts_equal(mine, summary)

    def test_two_containers_of_one_image_as_one_target(self):
        engines = self.containers()
        watch = self.watch("--name", "twin")
        for engine in engines:
            engine.release()
        rows = [row for engine in engines for row in engine.finish()]
        self.assert_counts_equal(rows, watch.stop_one())

    def test_what_a_container_leaves_is_let_go_when_another_has_taken_its_place(self):
        """Each restart is another file to us, and one and the same to the kernel: another program at each hit."""
        first, second = self.containers()
        watch = self.watch("--name", "twin")
        first.release()
        rows = first.finish()
        watch.await_line(watch.err, "is not run any more: its probes are detached", 60)
        second.release()
        rows += second.finish()
        self.assert_counts_equal(rows, watch.stop_one())

    def test_a_file_that_is_rewritten_in_place_is_let_go_before_a_byte_is_written(self):
        binary = harness.copy_of_engine(self.directory)
        watch = self.watch("--exe", binary)
        with open(binary, "r+b") as file:  # waits until the probes are off
            watch.await_line(watch.err, "rewritten in place", 10)
            file.truncate()
            with open(harness.SCRIPTED, "rb") as other:
                shutil.copyfileobj(other, file)
        watch.await_line(watch.err, "is a new file", 20)
        engine = harness.Child([binary, "query", "rewritten", "25"])
        self.addCleanup(engine.kill)
        self.assertEqual(engine.wait(), 0, engine.describe())
        summary = watch.stop_one()
        types = {name: figures["count"] for name, figures in
                 summary["query_metrics"]["query_type_breakdown"].items() if figures["count"]}
        self.assertEqual(types, {"rewritten": 25})

    def test_a_file_that_replaces_the_watched_one_has_its_probes_before_it_is_started(self):
        binary = harness.copy_of_engine(self.directory)
        watch = self.watch("--exe", binary)
        os.rename(harness.copy_of_engine(self.directory, "new"), binary)
        watch.await_line(watch.err, "is a new file", 20)
        engine = self.engine(*LOAD, binary=binary, hold=False, delay=0)
        self.assert_counts_equal(engine.finish(), watch.stop_one())


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
