#!/usr/bin/python3
"""What scripts/test, scripts/fuzz and scripts/lint make of what the programs say that they run: each in a tree of its own, with
stubs for those programs."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# Writes its results as often as it is run, from results-1, results-2; lists what is in `listed`.
CTEST = """#!/bin/bash
for word; do if [[ $word == -N ]]; then cat "$STUBS/listed"; exit; fi; done
echo ran >>"$STUBS/runs"
while (($#)) && [[ $1 != --output-junit ]]; do shift; done
sleep "$(cat "$STUBS/sleep")"
cp "$STUBS/results-$(wc -l <"$STUBS/runs")" "$2"
exit 8
"""
# As llvm-cov writes it of files that have nothing in common but the root.
LLVM_COV = """#!/bin/bash
printf '%s\\n' "$@" >"$STUBS/cov"
echo 'Filename Regions Missed Cover Functions Missed Executed Lines Missed Cover'
echo 'bpf/lib/a.h 26 11 57.69% 2 1 50.00% 200 10 95.00%'
echo 'userspace/model/b.cpp 26 11 57.69% 2 1 50.00% 30 6 80.00%'
echo 'TOTAL 26 11 57.69% 2 1 50.00% 230 16 93.04%'
"""


class Tree(unittest.TestCase):
    """A folder with one of the scripts; stubs come before all other programs."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="outrider-scripts-")
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        self.stubs = self.root / "stubs"
        for name in ("scripts/setup", "scripts/build"):
            self.program(name)

    def program(self, name, text="#!/bin/sh\n"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def file(self, name, text):
        self.program(name, text)

    def run_script(self, name, *words, **variables):
        """(exit code, what is said)"""
        for each in (name, "test_report.py"):
            shutil.copy2(SOURCE / "scripts" / each, self.root / "scripts" / each)
        environment = {**os.environ, "PATH": f"{self.stubs}:{os.environ['PATH']}", "STUBS": str(self.stubs), "CI": "",
                       "OUTRIDER_REQUIRE_FEATURES": "", **variables}
        done = subprocess.run([self.root / "scripts" / name, *words], capture_output=True, text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL, env=environment)
        return done.returncode, done.stdout + done.stderr


class Test(Tree):
    LISTED = "Test project /x\n  Test  #1: unit/a\n  Test #12: unit/b\n  Test #13: unit/c (Disabled)\n\nTotal Tests: 3\n"

    def setUp(self):
        super().setUp()
        self.program("stubs/ctest", CTEST)
        self.file("scripts/find_bpftool", "find_bpftool() { :; }\n")
        self.file("stubs/listed", self.LISTED)
        self.file("stubs/sleep", "0")
        (self.root / "build").mkdir()

    def results(self, number, **statuses):
        cases = "".join(f'<testcase name="unit/{name}" status="{status}"/>' for name, status in statuses.items())
        self.file(f"stubs/results-{number}", f"<testsuite>{cases}</testsuite>")

    def runs(self):
        return (self.stubs / "runs").read_text(encoding="utf-8").count("ran")

    def test_what_failed_is_run_once_more(self):
        self.results(1, a="run", b="fail", c="disabled")
        self.results(2, b="run")
        code, said = self.run_script("test")
        self.assertEqual((code, self.runs()), (0, 2), said)
        self.assertIn("unstable: unit/b", said)

    def test_not_when_the_time_is_over(self):
        self.results(1, a="run", b="fail", c="disabled")
        self.results(2, b="run")
        self.file("stubs/sleep", "1")
        code, said = self.run_script("test", OUTRIDER_TEST_SECONDS="1")
        self.assertEqual((code, self.runs()), (1, 1), said)
        self.assertIn("failed: unit/b\n", said)

    def test_what_never_began_has_failed(self):
        for status in ("run", "fail"):
            with self.subTest(status):
                (self.stubs / "runs").unlink(missing_ok=True)
                self.results(1, b=status)
                self.results(2, b="run")
                code, said = self.run_script("test")
                self.assertEqual((code, self.runs()), (1, 1), said)
                for name in ("a", "c"):
                    self.assertIn(f"failed: unit/{name} was never begun\n", said)


class Fuzz(Tree):
    def fuzz(self, program, *words, sources=""):
        self.program("build-fuzz/bin/one_fuzz", program)
        self.file("build-fuzz/fuzzers.txt", f"one 100 {sources}\n")
        self.file("tests/fuzz/corpus/one/input", "x")
        self.program("stubs/llvm-profdata")
        self.program("stubs/llvm-cov", LLVM_COV)
        return self.run_script("fuzz", "--seconds", "0", *words)

    def test_one_that_ends_well(self):
        code, said = self.fuzz("#!/bin/sh\n")
        self.assertEqual(code, 0, said)
        self.assertIn("1 fuzzers in", said)

    def test_one_that_crashes(self):
        for how in ("exit 77", "kill -9 $$"):
            code, said = self.fuzz(f"#!/bin/sh\n{how}\n")
            self.assertEqual(code, 1, said)
            self.assertRegex(said, r"(?m)^one .* FAILED$")
            self.assertIn("1 failures", said)

    def test_one_of_which_nobody_knows_how_it_ended(self):
        # Who would write its code is killed before it does, and while it does.
        for before in ("", ': >"${work%/new}/code"; '):
            code, said = self.fuzz(f'#!/bin/bash\nfor work; do if [[ $work == */new ]]; then {before}kill -9 $PPID; fi; done\n')
            self.assertEqual(code, 1, said)
            self.assertRegex(said, r"(?m)^one .* FAILED$")
            self.assertIn("1 failures", said)

    def test_one_without_even_a_folder(self):
        self.file("build-fuzz/findings", "no folder")
        code, said = self.fuzz("#!/bin/sh\n")
        self.assertEqual(code, 1, said)
        self.assertRegex(said, r"(?m)^one .* FAILED$")

    def test_coverage_of_what_the_kernel_has_too(self):
        code, said = self.fuzz("#!/bin/sh\n", "--coverage", sources="model/b.cpp bpf/lib/a.h model/c.cpp")
        self.assertEqual(code, 1, said)
        asked = (self.stubs / "cov").read_text(encoding="utf-8").splitlines()[-3:]
        self.assertEqual([pathlib.Path(path).relative_to(self.root).as_posix() for path in asked],
                         ["userspace/model/b.cpp", "bpf/lib/a.h", "userspace/model/c.cpp"])
        self.assertRegex(said, r"(?m)^  one +bpf/lib/a\.h +95\.0 % of 200 lines$")
        self.assertRegex(said, r"(?m)^  one +model/b\.cpp +80\.0 % of 30 lines  TOO FEW$")
        self.assertRegex(said, r"(?m)^  one +model/c\.cpp +is not in the program  TOO FEW$")


class Lint(Tree):
    def lint(self, *words):
        self.program("stubs/clang-format-14", "#!/bin/sh\n[ \"$1\" = --version ] && echo 'clang-format version 14.0.6'\nexit 0\n")
        self.program("stubs/shellcheck")
        # Says which commit it is asked about; differs from all.
        self.program("stubs/git", '#!/bin/sh\n[ "$1" = diff ] && [ "$2" = --quiet ] && echo "asked about $3"\nexit 0\n')
        self.program("stubs/clang-tidy-14")
        self.file("build/compile_commands.json", "[]")
        self.program("scripts/single_files.py", "print()\n")
        return self.run_script("lint", *words)

    def test_an_option_is_no_commit(self):
        code, said = self.lint("--changed", "--format-only")
        self.assertEqual(code, 0, said)
        self.assertNotIn("clang-tidy", said)

    def test_a_commit_is_one(self):
        for words in (("--changed", "--deep"), ("--changed", "abc"), ("--changed",)):
            with self.subTest(words):
                code, said = self.lint(*words)
                self.assertEqual(code, 0, said)
                self.assertIn("clang-tidy: no file to check", said)
        self.assertEqual(self.lint("--changed", "abc", "def")[0], 1)


if __name__ == "__main__":
    unittest.main()
