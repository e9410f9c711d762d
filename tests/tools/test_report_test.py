"""No skip goes unseen: scripts/test_report.py on results made by hand."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
REPORT = SOURCE / "scripts" / "test_report.py"
GTEST_SKIP = """a_test.cpp:7: Skipped
{}

[  SKIPPED ] Suite.Case (0 ms)"""


def results(path, tests):
    """ctest's JUnit file; `tests` are (name, status, output)."""
    cases = "".join(f'<testcase name="{name}" status="{status}"><system-out>{output}</system-out></testcase>'
                    for name, status, output in tests)
    path.write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")


def report_of(tests, *options, again=None, ci="true"):
    """(exit code, what is said) for these tests, some of them run `again`."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "results.xml"
        results(path, tests)
        if again:
            results(path.with_name("again.xml"), again)
            options = (*options, "--again", path.with_name("again.xml"))
        done = subprocess.run([sys.executable, REPORT, path, *options], capture_output=True, text=True, check=False,
                              env={**os.environ, "CI": ci, "OUTRIDER_REQUIRE_FEATURES": ""})
    return done.returncode, done.stdout + done.stderr


def report(output, status="run", ci="true", left_out=0):
    """(exit code, what is said) for one test that printed `output`."""
    return report_of([("a/test", status, output)], "--left-out", str(left_out), ci=ci)


sys.path.insert(0, str(SOURCE / "scripts"))
import test_report  # noqa: E402

# Where a reason that is no literal is made: (file, what begins it).
REASONS_MADE_IN = {
    "can.error().message": ("userspace/kernel/features.cpp", "Status check_features("),
    "disk.reason()": ("tests/unit/store_faults_test.cpp", "reason_ = "),
}


def literals(code):
    """Its string literals, those that stand side by side as one."""
    return [re.sub(r'"\s*"', "", found) for found in re.findall(r'"(?:[^"\\]|\\.)*"(?:\s+"(?:[^"\\]|\\.)*")*', code)]


def skip_reasons():
    """(where, reason) of each GTEST_SKIP there is; of a reason that is made elsewhere, each that can be."""
    for path in sorted((SOURCE / "tests").rglob("*.[ch]*")):
        if path.suffix == ".pyc":
            continue
        for said in re.findall(r"GTEST_SKIP\(\)( << .*)?;", path.read_text(encoding="utf-8")):
            made = REASONS_MADE_IN.get(said.removeprefix(" << "))
            if made is None:
                yield path.name, " ".join(literals(said))
                continue
            text = (SOURCE / made[0]).read_text(encoding="utf-8")
            begin = text.index(made[1])
            end = text.index("\n}" if made[1].startswith("Status") else ";", begin)
            for error in re.findall(r"Error\s*\{.*?\};|reason_ = .*", text[begin:end + 1], re.DOTALL):
                yield path.name, " ".join(literals(error))


class Reasons(unittest.TestCase):
    def test_each_skip_in_the_sources_names_a_feature_that_is_probed(self):
        reasons = list(skip_reasons())
        self.assertGreater(len(reasons), 12)
        for where, reason in reasons:
            with self.subTest(f"{where}: {reason}"):
                self.assertTrue(test_report.Features().named_in(reason), reason)


class Report(unittest.TestCase):
    def test_what_passed(self):
        code, said = report("fine")
        self.assertEqual(code, 0, said)
        self.assertIn("1 passed, 0 failed, 0 skipped", said)

    def test_what_was_left_out_is_said_and_is_no_skip(self):
        code, said = report("fine", left_out=2)
        self.assertEqual(code, 0, said)
        self.assertTrue(said.endswith("2 long tests were left out: scripts/test --all runs them\n"
                                      "1 passed, 0 failed, 0 skipped\n"), said)
        self.assertNotIn("left out", report("fine")[1])

    def test_a_failure(self):
        code, said = report("", status="fail")
        self.assertNotEqual(code, 0, said)
        self.assertIn("0 passed, 1 failed", said)

    def test_what_passes_when_it_is_run_again_is_named_and_no_failure(self):
        tests = [("a", "run", ""), ("b", "fail", ""), ("c", "fail", "")]
        code, said = report_of(tests, "--ctest-status", "8", again=[("b", "run", ""), ("c", "fail", "")])
        self.assertNotEqual(code, 0, said)
        self.assertIn("unstable: b failed", said)
        self.assertIn("failed: c\n", said)
        self.assertIn("2 passed, 1 failed", said)
        code, said = report_of(tests, "--ctest-status", "8", again=[("b", "run", ""), ("c", "run", "")])
        self.assertEqual(code, 0, said)
        self.assertIn("unstable: c failed", said)
        self.assertIn("3 passed, 0 failed", said)

    def test_what_is_skipped_or_missing_when_it_is_run_again_has_failed(self):
        for again in ([("b", "run", "")], [("a", "disabled", "")]):
            with self.subTest(again=again):
                code, said = report_of([("a", "fail", "")], "--ctest-status", "8", again=again)
                self.assertNotEqual(code, 0, said)
                self.assertIn("0 passed, 1 failed", said)

    def test_what_is_skipped_within_the_second_run_is_judged(self):
        code, said = report_of([("a", "fail", "")], again=[("a", "run", "skipped: Case.test_it: not today")])
        self.assertNotEqual(code, 0, said)
        self.assertIn("not today", said)

    def test_only_a_few_are_run_again(self):
        for failed, worth in ((0, False), (1, True), (3, True), (4, False)):
            tests = [("a", "run", "")] + [(f"f{i}", "fail", "") for i in range(failed)]
            self.assertEqual(report_of(tests, "--few-failed")[0] == 0, worth, failed)

    def test_what_was_listed_and_has_no_result_has_failed(self):
        with tempfile.TemporaryDirectory() as directory:
            listed = pathlib.Path(directory) / "listed"
            listed.write_text("Test project /x\n  Test   #1: unit/a\n  Test #100: web/b (Disabled)\n\nTotal Tests: 2\n",
                              encoding="utf-8")
            code, said = report_of([("unit/a", "run", ""), ("web/b", "disabled", "")], "--listed", listed, ci="")
            self.assertEqual(code, 0, said)
            code, said = report_of([("unit/a", "run", "")], "--listed", listed, ci="")
            self.assertEqual(code, 1, said)
            self.assertIn("failed: web/b was never begun\n", said)
            self.assertIn("1 passed, 1 failed, 0 skipped", said)
            again = {"again": [("unit/a", "run", "")], "ci": ""}
            self.assertEqual(report_of([("unit/a", "fail", "")], "--listed", listed, **again)[0], 1, "a rerun heals no time")
            self.assertNotEqual(report_of([("unit/a", "fail", "")], "--listed", listed, "--few-failed")[0], 0)

    def test_the_skip_of_one_program_needs_an_excuse_too(self):
        with tempfile.TemporaryDirectory() as directory:
            folder = pathlib.Path(directory)
            (folder / "sh").symlink_to("/bin/sh")  # in whose path is nothing else: no qemu
            for reason, ci, wanted in (("not today", "true", 1), ("not today", "", 0), ("qemu: it is not installed", "true", 0)):
                (folder / "said").write_text(f"vm-matrix: 1 kernel\nskipped: {reason}\n", encoding="utf-8")
                done = subprocess.run([sys.executable, REPORT, "--skipped", "kernels", folder / "said"], capture_output=True,
                                      text=True, check=False,
                                      env={"PATH": directory, "CI": ci, "OUTRIDER_REQUIRE_FEATURES": ""})
                with self.subTest(reason=reason, ci=ci):
                    self.assertEqual(done.returncode, wanted, done.stdout + done.stderr)
                    self.assertIn(f"skipped: kernels: {reason} (", done.stdout)

    def test_a_case_skipped_for_no_feature_fails_in_ci(self):
        for output in (GTEST_SKIP.format("not today"), "skipped: Case.test_it: not today"):
            with self.subTest(output):
                code, said = report(output)
                self.assertNotEqual(code, 0, said)
                self.assertIn("not today", said)
                code, said = report(output, ci="")
                self.assertEqual(code, 0, said)
                self.assertIn("1 skipped", said)

    def test_a_case_skipped_for_a_feature_that_is_there_fails_in_ci(self):
        code, said = report("skipped: Case.test_it: this needs two cpus and root")
        self.assertEqual(code != 0, os.geteuid() == 0 and len(os.sched_getaffinity(0)) > 1, said)


if __name__ == "__main__":
    unittest.main()
