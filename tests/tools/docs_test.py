#!/usr/bin/python3
"""What the documentation says is so: links lead somewhere, the C++ example is an engine with probes, and the keys of a
profile are those that the parser knows."""

import os
import pathlib
import re
import subprocess
import unittest

from tools import INCLUDE, SOURCE, need, read_notes, run, skip, work_directory

ROOT = pathlib.Path(SOURCE)
OUTRIDER = pathlib.Path(os.environ.get("OUTRIDER_BUILD", ROOT / "build")) / "bin" / "outrider"
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "usdt" / "PROBES.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def code_blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.M | re.S)


def anchors(text):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def keys_of_table(page, heading, column=0):
    """The backquoted words in the column of the first table below a line that begins with `heading`."""
    rows = text_of(page).split(heading, 1)[1].split("\n\n", 2)[1].splitlines()[2:]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split(" | ")[column])}


class Links(unittest.TestCase):
    def test_they_lead_somewhere(self):
        seen = 0
        for page in PAGES:
            for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
                path, _, anchor = target.partition("#")
                file = (page.parent / path).resolve() if path else page
                with self.subTest(page=page.name, target=target):
                    self.assertTrue(file.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(file.read_text(encoding="utf-8")))
                seen += 1
        self.assertGreater(seen, 10)

    def test_every_page_is_linked_to(self):
        linked = "".join(page.read_text(encoding="utf-8") for page in PAGES)
        for page in (ROOT / "docs").glob("*.md"):
            self.assertTrue(re.search(rf"\]\([^)]*\b{re.escape(page.name)}[#)]", linked), f"no link to {page.name}")


class Examples(unittest.TestCase):
    def test_the_engine_in_cpp_has_its_probes(self):
        (source,) = code_blocks("docs/adding-probes.md", "cpp")
        with work_directory() as directory:
            binary = os.path.join(directory, "engine")
            run(["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", "-x", "c++", "-", "-o", binary],
                input=source)
            self.assertEqual({(note.provider, note.name) for note in read_notes(binary)},
                             {("orders", "query__start"), ("orders", "query__end")})


    def test_the_configuration_and_the_profile_of_the_readme(self):
        configuration, profile = code_blocks("README.md", "toml")
        done = agent_reads(configuration, "check-config")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(faults_of_profile(profile), "")


def agent_reads(text, *words):
    """Runs the agent with those words and a file of that text."""
    with work_directory() as directory:
        path = os.path.join(directory, "mine.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run([OUTRIDER, *words, path], capture_output=True, text=True, timeout=60, check=False)


def faults_of_profile(profile):
    """What the agent says is wrong with it; "" if nothing is."""
    done = agent_reads(profile, "doctor", "--profile")
    # 2: the profile is wrong; 1: attaching would not work on this machine, which is not asked here.
    assert done.returncode in (0, 1, 2), done.stderr
    return done.stderr if done.returncode == 2 else ""


class Secrets(unittest.TestCase):
    def test_of_a_webhook_only_the_host_is_shown(self):
        webhook = '[[alerts.channels]]\ntype = "webhook"\nurl = "https://hooks.example:8443/T0/s3cret?key=s3cret"\n'
        done = agent_reads(webhook, "check-config")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("webhook to https://hooks.example:8443, severity", done.stdout)
        self.assertNotIn("s3cret", done.stdout + done.stderr)


class ProfileKeys(unittest.TestCase):
    PAGE = "docs/writing-a-profile.md"

    def setUp(self):
        (self.profile,) = code_blocks(self.PAGE, "toml")

    def known_to_the_parser(self, profile):
        said = faults_of_profile(profile)
        found = re.search(r"nonsense_key\S*: .*expected one of (.*)", said)
        self.assertTrue(found, said)
        return set(found[1].split(", "))

    def test_the_example_is_a_profile(self):
        self.assertEqual(faults_of_profile(self.profile), "")

    def test_all_keys_are_there_and_no_others(self):
        root = self.known_to_the_parser("nonsense_key = 1\n" + self.profile)
        self.assertEqual(keys_of_table(self.PAGE, "Of the file:"), root)
        probe = self.known_to_the_parser(self.profile + "nonsense_key = 1\n")
        self.assertEqual(keys_of_table(self.PAGE, "Of a `[[probe]]`"), probe)
        word = self.known_to_the_parser(self.profile + '[wait_word]\nnonsense_key = 1\n')
        self.assertEqual(keys_of_table(self.PAGE, "Of `[wait_word]`"), word)

    def test_all_roles_and_their_fields(self):
        said = faults_of_profile(self.profile.replace('role = "cache"', 'role = "nonsense"'))
        roles = set(re.search(r"expected one of (.*)", said)[1].split(", "))
        documented = {}
        for row in text_of(self.PAGE).split("| role | fields of", 1)[1].split("\n\n", 1)[0].splitlines()[2:]:
            names, fields, _ = row.split(" | ", 2)
            for role in re.findall(r"`(\w+)`", names):
                documented[role] = set(re.findall(r"`(\w+)`", fields))
        self.assertEqual(set(documented), roles)
        for role, fields in documented.items():
            with self.subTest(role):
                said = faults_of_profile(self.profile + f"""
[[probe]]
provider = "p"
name = "p"
role = "{role}"
args = {{ nonsense = 1 }}
""")
                known = re.search(r"has no such field; expected (?:one of (.*)|no fields)", said)
                self.assertEqual(fields, set((known[1] or "").split(", ")) - {""})


def names_of(path, define):
    """The words of a #define that is a list of names."""
    (words,) = re.findall(rf"#define {define}\s+(?:\\\s*)?\{{(.*?)\}}", text_of(path), re.S)
    return set(re.findall(r'"(\w+)"', words))


class Losses(unittest.TestCase):
    """docs/losses.md has every counter of something that is lost, and the tests that it names are there."""
    PAGE = "docs/losses.md"
    # What an agent counts that is no loss.
    NO_LOSS = {"agent_cpu_seconds_total", "agent_intervals_total", "agent_reading_seconds_total", "agent_sink_written_total",
               "agent_sink_points_sent_total", "agent_store_written_points_total", "agent_alert_notices_total",
               "agent_channel_sent_total", "agent_http_events_total"}
    NO_LOSS_EVENTS = {"request", "connection"}

    def setUp(self):
        self.rows = [row.strip("|").split(" | ") for row in re.findall(r"^\| .* \|$", text_of(self.PAGE), re.M)
                     if not row.startswith(("| what", "| who"))]
        self.shown = {word for row in self.rows for word in re.findall(r"[a-z]\w+", " ".join(re.findall(r"`[^`]*`", row[1])))}

    def test_every_reason_is_in_the_table(self):
        reasons = names_of("bpf/abi/abi.h", "OUTRIDER_LOSS_NAMES") | names_of("bpf/abi/abi.h", "OUTRIDER_STACK_LOSS_NAMES")
        self.assertGreater(len(reasons), 13)
        reasons |= set(re.findall(r'losses\["(\w+)"\]', text_of("userspace/agent/flame_recorder.cpp")))
        self.assertEqual(reasons - self.shown, set())

    def test_every_counter_of_the_agent_is_in_the_table(self):
        counters = set(re.findall(r'set\.counter\("(\w+)"', text_of("userspace/export/agent_families.cpp")))
        failing = set(re.findall(r'set\.gauge\("(\w+_failing)"', text_of("userspace/export/agent_families.cpp")))
        self.assertGreater(len(counters), 15)
        self.assertEqual((counters | failing) - self.NO_LOSS - self.shown, set())
        self.assertEqual(self.NO_LOSS - counters, set(), "the test names counters that are gone")

    def test_every_event_of_the_server_is_in_the_table(self):
        (events,) = re.findall(r"by_name\(const HttpCounters.*?return \{(.*?)\};", text_of("userspace/service/web_server.cpp"),
                               re.S)
        events = set(re.findall(r'\{"(\w+)"', events))
        self.assertGreater(len(events), 13)
        self.assertEqual(events - self.NO_LOSS_EVENTS - self.shown, set())

    def test_the_tests_are_there(self):
        self.assertGreater(len(self.rows), 50)
        for what, _, provoked in self.rows:
            tests = re.findall(r"`(\w+)/(\w+):(\w+)`", provoked)
            with self.subTest(what.strip()):
                self.assertTrue(tests or "*none*" in provoked, provoked)
                for folder, stem, name in tests:
                    (file,) = [path for path in (ROOT / "tests" / folder).glob(f"{stem}.*") if path.suffix in (".cpp", ".py")]
                    self.assertRegex(file.read_text(encoding="utf-8"),
                                     rf"TEST(_F|_P)?\(\w+, {name}\)|def {name}\(self\)", f"{file.name} has no {name}")


if __name__ == "__main__":
    need("g++", "readelf")
    if not OUTRIDER.exists():
        skip("outrider is not built; set OUTRIDER_BUILD to the build directory")
    unittest.main()
