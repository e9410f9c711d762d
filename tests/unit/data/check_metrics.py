"""Reads a Prometheus text file as Prometheus' own Python client does, and checks what promtool does not: duplicate
series, one family a name, and histograms whose parts agree. Prints each series as `name{labels} value`."""
import collections
import sys

from prometheus_client.parser import text_string_to_metric_families

seen = set()
families = collections.Counter()
histograms = collections.defaultdict(lambda: {"bounds": [], "count": None, "sum": None})
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()
for family in text_string_to_metric_families(text):
    families[family.name] += 1
    assert family.documentation, f"{family.name} has no HELP"
    for sample in family.samples:
        series = (sample.name, tuple(sorted(sample.labels.items())))
        assert series not in seen, f"duplicate series {series}"
        assert sample.timestamp is None, f"timestamp on {series}"
        seen.add(series)
        print(f"{sample.name}{dict(sorted(sample.labels.items()))} {sample.value}")
        if family.type != "histogram":
            continue
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        histogram = histograms[(family.name, tuple(sorted(labels.items())))]
        if sample.name.endswith("_bucket"):
            histogram["bounds"].append((float(sample.labels["le"]), sample.value))
        else:
            histogram[sample.name.rsplit("_", 1)[1]] = sample.value
for name, count in families.items():
    assert count == 1, f"family {name} appears {count} times"
for name, histogram in histograms.items():
    bounds = histogram["bounds"]
    assert bounds == sorted(bounds) and len(set(le for le, _ in bounds)) == len(bounds), f"{name}: le out of order"
    assert all(a <= b for (_, a), (_, b) in zip(bounds, bounds[1:])), f"{name}: counts fall"
    assert bounds[-1] == (float("inf"), histogram["count"]), f"{name}: +Inf is not the count"
    assert histogram["sum"] is not None, f"{name}: no sum"
    assert len(bounds) <= int(sys.argv[2]), f"{name}: {len(bounds)} le"
