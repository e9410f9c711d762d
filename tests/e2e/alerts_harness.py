"""What the tests of alerting share: a service with rules of its own, and what its file channel was told."""

import json

import service_harness

# Engines begin to be out of order at this second of their load, and are so for as long.
FAULT_BEGIN, FAULT_SECONDS = 6, 6


class AlertsCase(service_harness.ServiceCase):
    def setUp(self):
        super().setUp()
        self.rules = self.directory / "rules.toml"
        self.told_path = self.directory / "alerts.jsonl"

    def configure_alerts(self, targets, rules, channels="", more="", detector="none", **options):
        """`rules` are texts of [[rule]] tables without their first line."""
        self.rules.write_text("".join(f"[[rule]]\n{rule}\n" for rule in rules), encoding="utf-8")
        self.configure(targets, f"""
[alerts]
rules = ["{self.rules}"]
detector = "{detector}"
silences = "{self.directory / 'silences.json'}"
[[alerts.channels]]
type = "file"
path = "{self.told_path}"
group_wait = "off"
{channels}
{more}
""", **options)

    def told(self, rule=None, event=None):
        """The file channel's lines so far."""
        if not self.told_path.exists():
            return []
        text = self.told_path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]  # the last may be being written
        return [line for line in lines if rule in (None, line["rule"]) and event in (None, line["event"])]

    def story(self, rule):
        """What was told of a rule, in order, in words."""
        return [line["event"] for line in self.told(rule)]
