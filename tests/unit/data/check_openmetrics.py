"""Reads an OpenMetrics file with the Python client's own strict parser, and checks what it does not: duplicate series.
Prints each sample as `name{labels} value` and each unit as `UNIT name unit`."""
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

seen = set()
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()
for family in text_string_to_metric_families(text):
    assert family.documentation, f"{family.name} has no HELP"
    if family.unit:
        print(f"UNIT {family.name} {family.unit}")
    for sample in family.samples:
        series = (sample.name, tuple(sorted(sample.labels.items())))
        assert series not in seen, f"duplicate series {series}"
        seen.add(series)
        print(f"{sample.name}{dict(sorted(sample.labels.items()))} {sample.value}")
