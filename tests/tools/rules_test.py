#!/usr/bin/python3
"""`outrider rules`, `outrider silence` and `outrider replay --rules`, with the real promtool."""

import json
import os
import shutil
import stat
import subprocess
import tempfile

from tools import SOURCE, work_directory

OUTRIDER = os.path.join(os.environ.get("OUTRIDER_BUILD", os.path.join(SOURCE, "build")), "bin", "outrider")
RULES = """
[[rule]]
name = "Slow {{ writes }}"
condition = "query_metrics.p95_response_time_seconds"
above = "250ms"
clear = "200ms"
clear_for = "30s"
for = "1m"
types = ["insert*", "up?ate.[ab]"]
targets = ["db-*", "a.b"]
least_queries = 5
labels = { team = "sto\\"rage" }
annotation = "see {{ it }}"

[[rule]]
name = "Locks"
condition = "waits.lock_share"
above = "30%"
least_queries = 20

[[rule]]
name = "Type locks"
condition = "waits.lock_share"
above = "30%"
types = ["*"]

[[rule]]
name = "Few"
condition = "throughput_low"
threshold = "10/s"

[[rule]]
name = "No cache figures"
condition = "cache_metrics.hit_rate"
absent = true

[[rule]]
name = "Memory"
condition = "target_metrics.rss_mb"
above = "1.5GiB"

[[rule]]
name = "No metric has it"
condition = "target_metrics.memory_used_mb"
above = "1GiB"
"""


def run(*arguments, code=0):
    done = subprocess.run([OUTRIDER, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (arguments, done)
    return done


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions(text):
    lines = [line.strip() for line in text.splitlines()]
    return {json.loads(lines[i][len("- alert: "):]): json.loads(lines[i + 1][len("expr: "):])
            for i in range(len(lines)) if lines[i].startswith("- alert: ")}


def check_export(directory, rules):
    done = run("rules", "export", "--rules", rules, "--prefix", "mine")
    assert done.stderr.count("\n") == 1 and '"No metric has it" was left out' in done.stderr, done.stderr
    assert '# "No metric has it" was left out' in done.stdout
    found = expressions(done.stdout)
    target = r'target=~"db-.*|a\\.b"'
    kind = r'type=~"insert.*|up.ate\\.[ab]"'
    assert found["Slow {{ writes }}"] == (
        f"histogram_quantile(0.95, rate(mine_query_duration_seconds_bucket{{{target},{kind}}}[1m])) > 0.25 and on "
        f"(instance, target, type) rate(mine_query_duration_seconds_count{{{target},{kind}}}[1m]) * 60 >= 5"), found
    assert found["Memory"] == "mine_target_resident_memory_bytes > 1610612736", found
    assert found["Few"] == "mine_queries_per_second < 10", found
    assert len(found) == 6, found
    path = os.path.join(directory, "rules.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    assert "6 rules found" in promtool("check", "rules", path)


PROMTOOL_TEST = """
rule_files: [default.yml]
evaluation_interval: 10s
tests:
  - interval: 10s
    input_series:
      - {series: 'llmkg_query_response_time_seconds{target="db",instance="i"}', values: '0.05x5 0.15x20'}
    alert_rule_test:
      - {eval_time: 80s, alertname: High Response Time}
      - eval_time: 100s
        alertname: High Response Time
        exp_alerts:
          - exp_labels: {severity: warning, target: db, instance: i}
            exp_annotations: {summary: High Response Time on db}
"""


def check_promtool_fires_as_the_agent_does(directory):
    for name, text in (("default.yml", run("rules", "export").stdout), ("test.yml", PROMTOOL_TEST)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    promtool("check", "rules", os.path.join(directory, "default.yml"))
    promtool("test", "rules", os.path.join(directory, "test.yml"))


def check_list_and_check(rules, directory):
    listed = run("rules", "list").stdout.splitlines()
    assert listed[0] == ("High Response Time: query_metrics.avg_response_time_seconds above 100 ms for 30s, warning, "
                         "from 1 queries an interval; id response_time_high"), listed
    assert "7 rules" in run("rules", "check", rules).stdout
    bad = os.path.join(directory, "bad.toml")
    with open(bad, "w", encoding="utf-8") as file:
        file.write("[[rule]]\nname = 'x'\ncondition = 'error_rate_high'\nthreshold = '5GiB'\n")
    assert f"{bad}:4:13: rule[0].threshold: " in run("rules", "check", bad, code=2).stderr


def check_rule_tests(directory):
    assert "6 passed, 0 failed" in run("rules", "test", os.path.join(SOURCE, "alerts", "tests", "default.toml")).stdout
    shutil.copy(os.path.join(SOURCE, "alerts", "default.toml"), directory)
    wrong = os.path.join(directory, "wrong.toml")
    with open(wrong, "w", encoding="utf-8") as file:
        file.write("rules = 'default.toml'\n[[test]]\nname = 'n'\nexpect = ['60 open High CPU Usage']\n"
                   "[test.series]\n'system_metrics.cpu_usage' = '90x130'\n")
    said = run("rules", "test", wrong, code=1).stdout
    assert "seen:     121 open High CPU Usage" in said and "0 passed, 1 failed" in said, said


def check_silences(directory):
    path = os.path.join(directory, "silences.json")
    added = run("silence", "--file", path, "add", "--target", "db*", "--for", "2h", "--comment", "disks").stdout
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    silence_id = added.split()[0]
    assert f"{silence_id}  until" in run("silence", "--file", path, "list").stdout
    run("silence", "--file", path, "expire", silence_id)
    assert f"{silence_id}  ended" in run("silence", "list", "--file", path).stdout
    assert "see `outrider silence list`" in run("silence", "--file", path, "expire", "none", code=1).stderr
    assert "--for" in run("silence", "--file", path, "add", "--target", "a", "--for", "soon", code=2).stderr
    assert "name what is to be silent" in run("silence", "--file", path, "add", "--for", "1h", code=2).stderr
    config = os.path.join(directory, "outrider.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[alerts]\nsilences = '{path}'\n")
    assert silence_id in run("silence", "--config", config, "list").stdout


def check_replay(directory):
    rules = os.path.join(directory, "replay.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write("[[rule]]\nname = 'Slow'\ncondition = 'response_time_high'\nthreshold = '100ms'\nfor = '30s'\n"
                   "[[rule]]\nname = 'Crowd'\ncondition = 'concurrent_queries_high'\nthreshold = 50\n"
                   "[[rule]]\nname = 'Full'\ncondition = 'memory_usage_high'\nthreshold = '90%'\n")
    csv = os.path.join(directory, "night.csv")
    with open(csv, "w", encoding="utf-8") as file:
        file.write("timestamp,avg_response_time_seconds,current_concurrent,memory_usage\n")
        for second in range(100):
            slow = 0.25 if 10 <= second < 60 else 0.05
            file.write(f"{1_700_000_000 + second},{slow},{80 if second == 5 else 1},{0.95 if second == 7 else ''}\n")
    done = run("replay", "--csv", csv, "--rules", rules, "--detector", "none", "--format", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    seen = [(int(line["at"]) - 1_700_000_000, line["event"], line["rule"]) for line in lines]
    assert seen == [(5, "open", "Crowd"), (6, "close", "Crowd"), (7, "open", "Full"), (40, "open", "Slow"),
                    (60, "close", "Slow")], seen
    slow = lines[3]
    assert slow["metric"] == "query_metrics.avg_response_time_seconds" and slow["expected"] == 0.1, slow
    assert slow["value"] == 0.25 and round(slow["effect_percent"]) == 150 and "above 100 ms" in slow["text"], slow
    run("replay", "--csv", csv, "--rules", csv, code=2)


def main():
    with work_directory() as directory, tempfile.TemporaryDirectory() as other:
        rules = os.path.join(directory, "rules.toml")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(RULES)
        check_list_and_check(rules, directory)
        check_rule_tests(other)
        check_silences(directory)
        check_replay(directory)
        if shutil.which("promtool") is None:
            print("SKIP: no promtool (package prometheus)")
            return 77
        check_export(directory, rules)
        check_promtool_fires_as_the_agent_does(directory)
    print("rules are listed, checked, tested, replayed and exported, and promtool's fire as the agent's do")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
