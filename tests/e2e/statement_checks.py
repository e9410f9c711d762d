"""What tests of types that are statements share: how alike two groupings are, the types that texts have, and what user space can
read of the maps."""

import collections
import math
import subprocess

import harness


def adjusted_rand_index(pairs):
    """Of two groupings of the same things, each thing a pair (Hubert and Arabie 1985): 1 the same, 0 as chance has it."""
    def choose_two(counts):
        return sum(math.comb(count, 2) for count in counts.values())
    both = choose_two(collections.Counter(pairs))
    ours = choose_two(collections.Counter(one for one, _ in pairs))
    theirs = choose_two(collections.Counter(other for _, other in pairs))
    chance = ours * theirs / math.comb(len(pairs), 2)
    return (both - chance) / ((ours + theirs) / 2 - chance)


def types_of(texts, dialect):
    done = subprocess.run([harness.BUILD / "bin" / "statement-types", dialect], input="\0".join(texts) + "\0", capture_output=True,
                          text=True, check=True)
    return done.stdout.splitlines()


def check_groups(test, types, texts, groups, dialect, least):
    """`types` are what a watch has counted, `groups` the engine's own group of each of the texts. Returns [(type, group)]."""
    names = types_of(texts, dialect)
    # The kernel's own counts are those of the same machine in user space, text by text.
    test.assertEqual({name: type["count"] for name, type in types.items()}, dict(collections.Counter(names)))
    pairs = list(zip(names, groups))
    index = adjusted_rand_index(pairs)
    print(f"{test.id().rsplit('.', 1)[1]}: {len(pairs)} statements, {len(set(names))} types, {len(set(groups))} groups of the engine's, "
          f"adjusted Rand index {index:.5f}")
    test.assertGreaterEqual(index, least)
    return pairs


def dump_maps(test, watch):
    """Everything that user space can read of its maps."""
    dumps = dict(harness.map_dumps(watch.pid))
    test.assertIn("statements", dumps)
    test.assertGreater(len(dumps), 5)
    return dumps.values()


def check_hidden(test, secrets, said):
    for secret in secrets:
        test.assertNotIn(secret, said)
        test.assertNotIn(secret.encode().hex(" "), said)
