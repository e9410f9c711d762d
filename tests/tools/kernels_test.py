#!/usr/bin/python3
"""What scripts/vm-matrix decides without booting anything: which kernel stands for which, what differs from the expected
table, that docs/kernels.md shows this table and no other; and what scripts/setup does with the services it installs."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from tools import SOURCE

sys.path[:0] = [os.path.join(SOURCE, "tests", "vm")]
import expected  # noqa: E402
import image  # noqa: E402
import kernels  # noqa: E402
import machine  # noqa: E402
import sysroot  # noqa: E402

MATRIX = os.path.join(SOURCE, "scripts", "vm-matrix")


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


class Lines(unittest.TestCase):
    def test_what_a_guest_says(self):
        run = machine.Run("6.12.1")
        for line in ("kernel\t6.12.1", "begin\tdoctor", "result\tdoctor\tok\t1.5\t", "begin\twaits"):
            run.take(line)
        self.assertEqual((run.results, run.current, run.ended), ({"doctor": ("ok", "")}, "waits", False))
        run.take("end")
        self.assertTrue(run.ended)

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
