"""What the documentation claims of the agent, on real engines: the profile of docs/writing-a-profile.md counts PostgreSQL's
queries as pgbench does, and docs/figures.md explains every field that a snapshot has."""

import re

import harness
import postgresql_server

PAGES = harness.SOURCE / "docs"
TRANSACTIONS = 300
OWN_SELECTS = 2  # pgbench asks first how large its tables are, and whether they are partitioned


def profile_of_the_page():
    (profile,) = re.findall(r"^```toml\n(.*?)^```$", (PAGES / "writing-a-profile.md").read_text(encoding="utf-8"),
                            re.M | re.S)
    return profile


class Profile(postgresql_server.Case):
    def test_it_counts_what_pgbench_ran(self):
        self.server.pgbench("--initialize", "--quiet")
        profile = self.directory / "mine.toml"
        profile.write_text(profile_of_the_page(), encoding="utf-8")
        watch = self.watch_server("--profile", str(profile))
        report = self.server.pgbench("--no-vacuum", "--select-only", "--transactions", TRANSACTIONS)
        with self.session() as session, self.assertRaises(postgresql_server.ServerError):
            session.query("SELECT 1/0")
        postgresql_server.settled(watch)
        summary = watch.stop_one()
        self.assertEqual(postgresql_server.transactions(report), (TRANSACTIONS, 0))
        types = {name: (part["count"], part["failed"], part["abandoned"])
                 for name, part in summary["query_metrics"]["query_type_breakdown"].items() if part["count"]}
        # The page says that a failed statement is abandoned by this profile.
        self.assertEqual(types, {"SELECT": (TRANSACTIONS + OWN_SELECTS, 0, 1)})
        self.assertEqual(summary["query_metrics"]["phases"]["plan"]["count"], TRANSACTIONS + OWN_SELECTS)
        self.assertGreater(summary["cache_metrics"]["hits"], TRANSACTIONS)
        self.assertEqual(harness.losses(summary), 0, summary["losses"])


def named(text):
    """Every field that the page names; `p50_` and the like stand for response times."""
    names = set(re.findall(r"`\"?([\w.<>]+)", text))
    names |= {name + "response_time_seconds" for name in names if name.endswith("_")}
    return names | {part for name in names for part in name.split(".")}


def fields(value, names):
    """The keys of an object and of those inside it; types, phases and wait classes have names of their own."""
    for key, inner in value.items():
        names.add(key)
        if isinstance(inner, dict) and key not in ("waits", "phases", "query_type_breakdown"):
            fields(inner, names)
        for one in inner if isinstance(inner, list) and inner and isinstance(inner[0], dict) else []:
            fields(one, names)
    return names


class Figures(harness.Case):
    def test_every_field_is_explained(self):
        rows, summary = self.watched_run("--rate", 500, "--duration", 3)
        self.assertTrue(rows)
        page = (PAGES / "figures.md").read_text(encoding="utf-8")
        said = fields(summary, set())
        said |= fields(next(iter(summary["query_metrics"]["query_type_breakdown"].values())), set())
        self.assertGreater(len(said), 60)
        self.assertEqual(said - named(page), set())
        for wait in summary["query_metrics"]["waits"]:
            self.assertRegex(page, rf"(?m)^\| `{wait.removesuffix('_seconds')}` \| ")


if __name__ == "__main__":
    harness.require_kernel()
    harness.main()
