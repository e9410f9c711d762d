#!/usr/bin/python3
"""What scripts/vm-matrix decides without booting anything: which kernel stands for which, what differs from the expected
table, that docs/kernels.md shows this table and no other; and what scripts/setup does with the services it installs."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from tools import SOURCE

sys.path[:0] = [os.path.join(SOURCE, "tests", folder) for folder in ("vm", "vm/guest", "e2e")]
import expected  # noqa: E402
import image  # noqa: E402
import kernels  # noqa: E402
import machine  # noqa: E402
import sysroot  # noqa: E402

with mock.patch.dict(os.environ):  # it sets some for the guest
    import runner  # noqa: E402

MATRIX = os.path.join(SOURCE, "scripts", "vm-matrix")


def script(path):
    """A program without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader("script", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("script", loader))
    with mock.patch.object(sys, "dont_write_bytecode", True):
        loader.exec_module(module)
    return module


def run_as_expected(table, release):
    run = machine.Run(release)
    run.results = {name: cell for name, cell in table.column(kernels.parse_series(release)).items()}
    run.ended = True
    return run


class Choice(unittest.TestCase):
    def test_the_same_series_before_the_nearest_one(self):
        self.assertEqual(kernels.choose([(6, 1), (6, 18)], [(6, 1), (6, 12), (6, 19)]), {(6, 1): (6, 1), (6, 18): (6, 19)})

    def test_a_major_number_has_twenty_series(self):
        self.assertEqual(kernels.choose([(7, 1)], [(6, 19), (7, 4)]), {(7, 1): (6, 19)})

    def test_none_is_taken_twice(self):
        self.assertEqual(kernels.choose([(7, 1), (7, 3)], [(7, 3)]), {(7, 3): (7, 3)})

    def test_a_far_one_stands_for_nothing(self):
        self.assertEqual(kernels.choose([(5, 10)], [(6, 12)]), {})

    def test_releases(self):
        self.assertEqual(kernels.parse_series("6.12.48+deb13-cloud-amd64"), (6, 12))
        self.assertRaises(ValueError, kernels.parse_series, "newest")


class Differences(unittest.TestCase):
    def setUp(self):
        self.table = expected.Table()

    def of(self, release, **changes):
        run = run_as_expected(self.table, release)
        run.results.update(changes)
        return expected.differences(self.table, run)

    def test_none(self):
        for series in self.table.series():
            self.assertEqual(self.of(kernels.name_of(series) + ".3-cloud-amd64"), [])

    def test_a_failure_a_skip_and_what_was_to_be_refused(self):
        self.assertEqual(len(self.of("6.12.1", counts_full=("FAILED", "9 != 10"))), 1)
        self.assertEqual(len(self.of("6.12.1", programs_multi=("skipped", "this kernel has no uprobe_multi"))), 1)
        self.assertEqual(len(self.of("6.18.1", nop5=("ok", ""))), 1)
        self.assertEqual(len(self.of("6.18.1", nop5=("refused", "for another reason"))), 1)
        self.assertEqual(len(self.of("7.3.1", nop10=("skipped", "this kernel optimises no nop10"))), 1)

    def test_what_did_not_run_and_what_nobody_expects(self):
        run = run_as_expected(self.table, "6.12.1")
        del run.results["waits"]
        self.assertEqual(expected.differences(self.table, run), ["waits was not run"])
        self.assertEqual(len(self.of("6.12.1", dancing=("ok", ""))), 1)

    def test_a_guest_that_dies(self):
        run = machine.Run("6.12.1")
        run.trouble = "the guest stopped during 'waits'"
        self.assertEqual(expected.differences(self.table, run), [run.trouble])

    def test_a_kernel_between_two_is_like_the_one_before(self):
        self.assertEqual(self.table.column((6, 19)), self.table.column((6, 18)))
        self.assertEqual(self.table.column((9, 0)), self.table.column(self.table.newest()))
        self.assertEqual(self.table.oldest(), (6, 1))


class Gaps(unittest.TestCase):
    """A kernel of the table that was not booted is none of which all is as expected."""
    LIKE_THE_TABLE = {series: f"{kernels.name_of(series)}.1-cloud-amd64" for series in expected.Table().series()}

    def of(self, only=(), **places):
        """places: series of the table as v6_12, and what is in its place."""
        other = {kernels.parse_series(name[1:].replace("_", ".")): release for name, release in places.items()}
        found = self.LIKE_THE_TABLE | other
        found = {series: release for series, release in found.items() if release}
        return expected.gaps(expected.Table(), expected.Table().series(), found, only)

    def test_none(self):
        self.assertEqual(self.of(), {})
        self.assertEqual(self.of(v6_18="6.19.4-cloud-amd64"), {}, "the same is expected of it")

    def test_one_that_is_missing(self):
        self.assertIn("6.12 was not tried", self.of(v6_12=None)[6, 12])

    def test_one_in_whose_place_is_another_kind(self):
        gaps = self.of(v6_12="6.18.15-cloud-amd64")
        self.assertEqual(list(gaps), [(6, 12)])
        self.assertIn("6.12 was not tried: of 6.18.15-cloud-amd64", gaps[6, 12])
        self.assertTrue(gaps[6, 12].endswith(": nop5"), gaps)
        self.assertEqual(self.of(v6_12="6.18.15-cloud-amd64", only=("nop10", "waits")), {}, "the same in what is tried")

    def matrix(self, found, trouble=""):
        """(exit code, what is said) of a run in which all that is booted is as expected."""
        matrix, said = script(MATRIX), io.StringIO()
        store = mock.Mock(trouble=trouble, **{"resolve.return_value": found, "file.side_effect": pathlib.Path})
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            for target, name, value in ((sys, "argv", [MATRIX, "--cache", directory]), (kernels, "Kernels", lambda *_: store),
                                        (image, "unbuilt", lambda *_: None), (image, "missing_programs", lambda: None),
                                        (machine, "unusable_qemu", lambda *_: None), (image, "Image", mock.Mock()),
                                        (matrix, "check_all", lambda *_: [run_as_expected(expected.Table(), release)
                                                                          for release in found.values()])):
                stack.enter_context(mock.patch.object(target, name, value))
            stack.enter_context(contextlib.redirect_stdout(said))
            return matrix.main(), said.getvalue()

    def test_the_program_fails(self):
        code, said = self.matrix(self.LIKE_THE_TABLE)
        self.assertEqual(code, 0, said)
        some = dict(list(self.LIKE_THE_TABLE.items())[:-2])
        code, said = self.matrix(some, "the archive's lists of sid cannot be read: gone")
        self.assertEqual(code, 1, said)
        told = re.findall(r"^failed: 7\.\d was not tried: .*\(the archive's lists of sid .*: gone\)$", said, re.M)
        self.assertEqual(len(told), 2, said)
        self.assertIn("2 differ from", said)


class Lists(unittest.TestCase):
    """Of the archive's suites: read anew until all of them were had."""

    def read(self, had, code):
        """(whether they are believed from now on, the trouble with them)."""
        with tempfile.TemporaryDirectory() as directory:
            archive = kernels.Archive(pathlib.Path(directory), "amd64", ("bookworm", "bookworm-backports"))
            (archive.root / "lists").mkdir()

            def apt(*_words):
                for suite in had:
                    (archive.root / f"lists/a_debian_dists_{suite}_main_binary-amd64_Packages.lz4").touch()
                return subprocess.CompletedProcess([], code, "", "E: it is gone\n" if code else "")
            with mock.patch.object(kernels, "debian_archive", lambda: "http://a/debian"), mock.patch.object(archive, "_run", apt):
                archive.update()
            return (archive.root / "read").exists(), archive.trouble

    def test_all(self):
        self.assertEqual(self.read(("bookworm", "bookworm-backports"), 0), (True, ""))

    def test_some(self):
        for had, code in ((("bookworm-backports",), 0), (("bookworm-backports",), 100)):
            believed, trouble = self.read(had, code)
            self.assertFalse(believed)
            self.assertIn("the archive's lists of bookworm cannot be read", trouble)

    def test_old_ones(self):
        believed, trouble = self.read(("bookworm", "bookworm-backports"), 100)
        self.assertFalse(believed)
        self.assertEqual(trouble, "the archive's lists cannot be read: E: it is gone")

    def test_none(self):
        self.assertRaises(kernels.Unavailable, self.read, (), 0)

    def test_with_kernels_from_before_the_trouble_is_told(self):
        with tempfile.TemporaryDirectory() as directory:
            store = kernels.Kernels(pathlib.Path(directory))
            path = store.cache / "kernels/6.12.1-cloud-amd64/vmlinuz"
            path.parent.mkdir(parents=True)
            path.touch()
            store.archive.update = mock.Mock(side_effect=kernels.Unavailable("the archive is gone"))
            self.assertEqual(store.resolve([(6, 1), (6, 12)]), {(6, 12): "6.12.1-cloud-amd64"})
            self.assertEqual(store.trouble, "the archive is gone")


class Guest(unittest.TestCase):
    def told(self, doctor, *wanted):
        """What the guest says of some checks, where the doctor ends like that."""
        lines = []
        names = {"doctor": lambda: doctor, "nop5": lambda: ("ok", ""), "waits": lambda: ("ok", "")}
        some = types.SimpleNamespace(CHECKS=names, UNDER_SYSTEMD=("unit",), not_tried=lambda: ("skipped", "too old"))
        with mock.patch.object(runner, "checks", some), contextlib.redirect_stdout(io.StringIO()):
            self.assertFalse(runner.run_all(list(wanted), False, lambda *fields: lines.append(fields)))
        return [(fields[1], fields[2]) for fields in lines if fields[0] == "result"]

    def test_the_doctor_is_asked_even_if_nobody_wants_to_hear_it(self):
        old = ("refused", "is too old")
        self.assertEqual(self.told(old, "nop5"), [("nop5", "skipped")])
        self.assertEqual(self.told(("ok", ""), "nop5"), [("nop5", "ok")])
        self.assertEqual(self.told(old), [("doctor", "refused"), ("nop5", "skipped"), ("waits", "skipped")])
        self.assertEqual(self.told(old, "doctor", "waits"), [("doctor", "refused"), ("waits", "skipped")])


class Lines(unittest.TestCase):
    def test_what_a_guest_says(self):
        run = machine.Run("6.12.1")
        for line in ("kernel\t6.12.1", "begin\tdoctor", "result\tdoctor\tok\t1.5\t", "begin\twaits"):
            run.take(line)
        self.assertEqual((run.results, run.current, run.ended), ({"doctor": ("ok", "")}, "waits", False))
        run.take("end")
        self.assertTrue(run.ended)

    def test_an_emulation_that_fails(self):
        run = machine.Run("6.12.1")
        run.trouble = "the guest did not answer after 150 s"
        self.assertEqual(run.failed_emulation(), run.trouble)
        run.take("begin\tdoctor")
        run.console = "Oops: general protection fault"
        self.assertIsNone(run.failed_emulation(), "it booted: what ends it now is a failure")
        run.console = "[  343.241593] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI"
        self.assertIn("Oops: int3", run.failed_emulation())
        run.ended = True
        self.assertIsNone(run.failed_emulation())

    def test_wrong_words_say_which_there_are(self):
        for words, sentence in ((("--kernels", "six"), "no kernel series"), (("--only", "dancing"), "no such feature: dancing"),
                                (("--jobs", "0"), "at least 1")):
            done = subprocess.run([MATRIX, *words], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(sentence, done.stderr)

    def test_a_tree_that_is_not_built(self):
        done = subprocess.run([MATRIX, "--build", "/nonexistent"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run scripts/build", done.stderr)
        self.assertTrue(image.unbuilt(pathlib.Path("/nonexistent")))


class Arm64(unittest.TestCase):
    def test_a_table_of_its_own(self):
        table = expected.Table("arm64")
        for series in table.series():
            run = run_as_expected(table, kernels.name_of(series) + ".3-cloud-arm64")
            self.assertEqual(expected.differences(table, run), [])
        self.assertEqual(expected.differences(table, machine.Run("6.12.1"), only=["header"]), ["header was not run"])
        self.assertNotIn("nop10", table.features)

    def test_a_tree_that_is_not_built(self):
        done = subprocess.run([MATRIX, "--arch", "arm64", "--build", "/nonexistent"], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run scripts/build --preset arm64", done.stderr)

    def test_the_packages_are_those_of_the_setup(self):
        names = sysroot.packages()
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue({"libbpf-dev", "libelf-dev", "libspdlog-dev", "libgtest-dev", "zlib1g-dev", "python3"} <= set(names), names)
        self.assertFalse({"g++", "cmake", "dpkg-dev", "clang"} & set(names), names)

    def test_a_guest_is_made_of_its_own_files(self):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for folder in ("usr/bin", "usr/lib/aarch64-linux-gnu"):
                (root / folder).mkdir(parents=True)
            libraries = image.Sysroot(root, sysroot.TRIPLET)
            program = root / "usr/bin/cat"
            self.assertIsNone(libraries.which("cat"))
            # This machine's own program stands for one of another architecture: its libraries are looked for by name only.
            shutil.copy2(image.which("cat"), program)
            self.assertEqual(libraries.which("cat"), str(program))
            self.assertEqual(libraries.libraries_of([program]), set())
            library = libraries.folder / "libc.so.6"
            library.symlink_to("libc.so.6.1")
            library.with_name("libc.so.6.1").touch()
            self.assertEqual(libraries.libraries_of([program]), {str(library)})
            self.assertEqual(libraries.inside(library), "usr/lib/aarch64-linux-gnu/libc.so.6")


class Setup(unittest.TestCase):
    SERVICES = {"influxdb": "influxdb", "mariadb-server": "mariadb", "prometheus": "prometheus", "redis-server": "redis-server",
                "prometheus-alertmanager": "prometheus-alertmanager", "prometheus-node-exporter": "prometheus-node-exporter"}
    OF_THE_SYSTEM = {"procps", "systemd", "util-linux"}  # what each machine has is nobody's to disable

    @staticmethod
    def list_of(name):
        text = pathlib.Path(SOURCE, "scripts", "setup").read_text(encoding="utf-8")
        return re.search(rf"^{name}=\((.*?)^\)", text, re.M | re.S)[1].split()

    def test_no_server_that_tests_want_comes_up_with_the_next_boot(self):
        packages = set(self.list_of("test_packages"))
        services = {entry.partition(":")[0]: entry.partition(":")[2] or entry for entry in self.list_of("test_services")}
        self.assertLessEqual({package: self.SERVICES[package] for package in packages & set(self.SERVICES)}.items(), services.items())
        self.assertEqual(set(services) - packages, set(), "setup installs none of these")
        for package in sorted(packages - self.OF_THE_SYSTEM) if shutil.which("dpkg-query") else ():
            files = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True, timeout=60, check=False).stdout
            for service in re.findall(r"^/etc/init\.d/(\S+)$", files, re.M):
                self.assertEqual(services.get(package), service, f"{package} brings a service")


class Page(unittest.TestCase):
    def test_it_shows_the_expected_tables(self):
        page = pathlib.Path(SOURCE, "docs", "kernels.md").read_text(encoding="utf-8")
        for architecture in expected.FILES:
            table = expected.markdown(expected.Table(architecture))
            self.assertIn(table, page, f"docs/kernels.md has another table than `scripts/vm-matrix --arch {architecture} --markdown`")


if __name__ == "__main__":
    unittest.main()
