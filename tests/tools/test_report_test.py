"""No skip goes unseen: scripts/test_report.py on results made by hand."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPORT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "test_report.py"
GTEST_SKIP = """a_test.cpp:7: Skipped
{}

[  SKIPPED ] Suite.Case (0 ms)"""


def report(output, status="run", ci="true"):
    """(exit code, what is said) for one test that printed `output`."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "results.xml"
        path.write_text(f'<testsuite><testcase name="a/test" status="{status}"><system-out>{output}</system-out>'
                        "</testcase></testsuite>", encoding="utf-8")
        done = subprocess.run([sys.executable, REPORT, path, "--ctest-status", "0"], capture_output=True, text=True,
                              check=False, env={**os.environ, "CI": ci, "OUTRIDER_REQUIRE_FEATURES": ""})
    return done.returncode, done.stdout + done.stderr


class Report(unittest.TestCase):
    def test_what_passed(self):
        code, said = report("fine")
        self.assertEqual(code, 0, said)
        self.assertIn("1 passed, 0 failed, 0 skipped", said)

    def test_a_failure(self):
        code, said = report("", status="fail")
        self.assertNotEqual(code, 0, said)
        self.assertIn("0 passed, 1 failed", said)

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
