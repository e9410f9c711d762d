#!/usr/bin/env python3
"""Debian's files for arm64 in a folder, for two uses: the libraries that a cross build links (cmake/arm64.cmake), and the
programs of the guest that runs what was built.

  tests/vm/sysroot.py [--cache FOLDER]     makes it, unless it is there, and prints where it is

The packages are those of scripts/setup's build list, of this machine's own release, and come through an apt root of their own:
nothing is installed here, and no architecture is added to this machine."""

import argparse
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import kernels

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURE, TRIPLET = "arm64", "aarch64-linux-gnu"
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib"}
STANDARD_LIBRARY = {"bookworm": "libstdc++-12-dev"}  # that of the release's g++
GUEST = ("python3", "bash", "dash", "coreutils", "mount", "util-linux", "iproute2", "bpftool", "procps")
BACKPORTED = ("libbpf-dev", "libbpf1")  # as scripts/setup: Debian 12's own is too old


def packages():
    text = (ROOT / "scripts/setup").read_text(encoding="utf-8")
    found = re.search(r"^build_packages=\((.*?)^\)", text, re.M | re.S)
    wanted = [name for name in found[1].split() if re.fullmatch(r"\S+-dev", name) and name != "dpkg-dev"]
    standard = STANDARD_LIBRARY.get(kernels.debian_release(), "libstdc++-14-dev")
    return ["libc6-dev", standard, "liburing-dev", *GUEST, *(name for name in wanted if name not in BACKPORTED), *BACKPORTED]


def suites():
    release = kernels.debian_release()
    return (release, f"{release}-backports") if release == "bookworm" else (release,)


def make(cache):
    """The folder's path; raises Unavailable."""
    names = packages()
    fingerprint = hashlib.sha256(" ".join([*suites(), *names]).encode()).hexdigest()[:12]
    path = cache / f"sysroot-{ARCHITECTURE}-{fingerprint}"
    with kernels.locked(cache):
        if path.exists():
            return path
        archive = kernels.Archive(cache / f"apt-sysroot-{ARCHITECTURE}", ARCHITECTURE, suites())
        archive.update()
        if len(suites()) > 1:
            names = [f"{name}/{suites()[1]}" if name in BACKPORTED else name for name in names]
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            root = pathlib.Path(directory) / "root"
            for folder in LINKS.values():
                (root / folder).mkdir(parents=True)
            for link, target in LINKS.items():
                (root / link).symlink_to(target)
            archive.fetch_all(names, root)
            make_links_relative(root)
            os.replace(root, path)
    return path


def make_links_relative(root):
    """An absolute link would lead a compiler to this machine's own library."""
    for path in root.rglob("*"):
        if path.is_symlink() and os.readlink(path).startswith("/"):
            target = root / os.readlink(path).lstrip("/")
            path.unlink()
            path.symlink_to(os.path.relpath(target, path.parent))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=kernels.default_cache(), help="where it is kept (%(default)s)")
    try:
        print(make(parser.parse_args().cache))
    except kernels.Unavailable as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
