"""Debian's cloud kernels: which the archive has, and those that are wanted on this machine.

Packages of other suites are fetched through an apt root of its own, whose archive, keys and proxy are those that this
machine's apt is configured with. Nothing of the machine's own apt is changed, and no suite is added to it."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "forky", "sid", "experimental")
LISTS_SECONDS = 24 * 3600  # how long a reading of the archive's lists is believed
UPDATE_SECONDS = 300
DOWNLOAD_SECONDS = 900


class Unavailable(Exception):
    """No kernel can be had here; the text says why."""


def default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "outrider-vm"


def locked(directory):
    """One at a time in that directory, for as long as the returned file is open."""
    directory.mkdir(parents=True, exist_ok=True)
    file = open(directory / "lock", "w", encoding="ascii")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def parse_series(text):
    """'6.12' as (6, 12); also the beginning of a release such as 6.12.48+deb13-cloud-amd64."""
    found = re.match(r"(\d+)\.(\d+)", text)
    if not found:
        raise ValueError(f"'{text}' is no kernel series such as 6.12")
    return int(found[1]), int(found[2])


def name_of(series):
    return f"{series[0]}.{series[1]}"


def distance(one, other):
    """How many series lie between; a major number has had 20 of them."""
    return abs(20 * (one[0] - other[0]) + one[1] - other[1])


def choose(wanted, available):
    """{wanted series: the same or the nearest available one}. No series is taken twice: of two that would have the same,
    the farther one is left out."""
    chosen = {series: series for series in wanted if series in available}
    pairs = sorted((distance(series, other), series, other) for series in wanted for other in available)
    for _, series, other in pairs:
        if series not in chosen and other not in chosen.values():
            chosen[series] = other
    # A far one stands for nothing: it is somebody else's neighbour.
    return {series: other for series, other in sorted(chosen.items())
            if series == other or distance(series, other) <= 3}


def debian_release():
    """The codename of this machine's release."""
    release = dict(line.rstrip("\n").split("=", 1) for line in open("/etc/os-release", encoding="utf-8") if "=" in line)
    if not shutil.which("apt-get") or release.get("ID") != "debian":
        raise Unavailable("Debian kernels come through apt of a Debian machine, and this is none")
    return release.get("VERSION_CODENAME", "").strip('"')


def debian_archive():
    """The URI that this machine's apt has Debian's main archive from."""
    codename = debian_release()
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
                           "Created-By: Packages"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        suite, component, uri = line.split(" ", 2)
        if (suite, component) == (codename, "main"):
            return uri
    raise Unavailable(f"Debian kernels: this machine's apt has no archive with {codename} main")


class Archive:
    """A private apt root, of one of Debian's architectures."""

    def __init__(self, root, architecture, suites=SUITES):
        self.root, self.architecture, self.suites = root, architecture, suites
        self.trouble = ""  # why not all of its lists could be read, after update()

    def _options(self):
        values = {"Dir::Etc::SourceList": self.root / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
                  "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
                  "Dir::State": self.root / "state", "Dir::State::Status": self.root / "status",
                  "Dir::State::Lists": self.root / "lists", "Dir::Cache": self.root / "cache",
                  "APT::Architecture": self.architecture, "APT::Architectures": self.architecture,
                  # A user of its own could not write below somebody's home.
                  "APT::Sandbox::User": "root", "Acquire::Retries": "2",
                  # Without it apt takes an old list for a new one, and says that all went well.
                  "APT::Update::Error-Mode": "any"}
        return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]

    def _run(self, program, *words, seconds=UPDATE_SECONDS, **options):
        return subprocess.run([program, "-q", *self._options(), *words], capture_output=True, text=True, check=False,
                              timeout=seconds, stdin=subprocess.DEVNULL, **options)

    def update(self):
        """Reads the lists of all suites, unless that was done lately. Not every archive has every suite: then it is done again
        the next time, for the archive may only have been out of order."""
        stamp = self.root / "read"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_SECONDS:
            return
        uri = debian_archive()
        for name in ("state", "lists/partial", "cache/archives/partial"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        keys = [key for key in pathlib.Path("/usr/share/keyrings").glob("debian-archive-keyring.*")]
        options = "target=Packages lang=none" + (f" signed-by={keys[0]}" if keys else "")
        (self.root / "sources.list").write_text(
            "".join(f"deb [{options}] {uri} {suite} main\n" for suite in self.suites), encoding="utf-8")
        try:
            done = self._run("apt-get", "update")
        except subprocess.TimeoutExpired:
            raise Unavailable(f"Debian kernels: the archive did not answer within {UPDATE_SECONDS} s") from None
        unread = [suite for suite in self.suites if not any(self.root.glob(f"lists/*_dists_{suite}_*_Packages*"))]
        if done.returncode == 0 and not unread:
            stamp.touch()
            return
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        if len(unread) == len(self.suites):
            raise Unavailable(f"Debian kernels: the archive's lists cannot be read: {said}")
        of = f" of {', '.join(unread)}" if unread else ""
        self.trouble = f"the archive's lists{of} cannot be read: {said}"

    def packages(self):
        """{series: (release, package)} of the newest kernel of each series."""
        found, wanted = {}, re.compile(rf"linux-(?:image|binary)-((\d+)\.(\d+)\S*-cloud-{self.architecture})")
        for name in self._run("apt-cache", "pkgnames", "linux-").stdout.split():
            match = wanted.fullmatch(name)
            if not match:
                continue
            # By its numbers; of equal ones linux-image: where linux-binary exists, that has the kernel and the other nothing.
            key = ([int(number) for number in re.findall(r"\d+", match[1])], name.startswith("linux-binary"))
            series = int(match[2]), int(match[3])
            if series not in found or key > found[series][0]:
                found[series] = key, match[1], name
        return {series: (release, package) for series, (_, release, package) in found.items()}

    def fetch_all(self, packages, directory):
        """Downloads these and all that they depend on, and unpacks them into the directory."""
        try:
            done = self._run("apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *packages,
                             seconds=DOWNLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"Debian packages: not downloaded within {DOWNLOAD_SECONDS} s") from None
        if done.returncode != 0:
            raise Unavailable(f"Debian packages: {'; '.join(done.stderr.strip().splitlines()[-3:])}")
        for package in sorted(self.root.glob("cache/archives/*.deb")):
            unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
            # Old packages have files in /lib, which is a link to usr/lib.
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", directory], stdin=unpack.stdout, check=True)
            if unpack.wait() != 0:
                raise Unavailable(f"Debian packages: {package.name} cannot be unpacked")
            package.unlink()

    def fetch(self, package, directory):
        """Downloads it and unpacks it into the directory."""
        done = self._run("apt-get", "download", package, cwd=directory)
        files = list(pathlib.Path(directory).glob("*.deb"))
        if done.returncode != 0 or not files:
            said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise Unavailable(f"Debian kernels: {package} cannot be downloaded: {said}")
        subprocess.run(["dpkg-deb", "-x", files[0], directory], check=True)


class Kernels:
    """The kernels of a cache directory: kernels/RELEASE/vmlinuz."""

    def __init__(self, cache, architecture="amd64"):
        self.cache, self.architecture = cache, architecture
        self.trouble = ""  # why the archive may have more than resolve() found
        self.archive = Archive(cache / ("apt" if architecture == "amd64" else f"apt-{architecture}"), architecture)

    def _cached(self):
        """{series: release}, of the newest one."""
        releases = sorted((path.parent.name for path in self.cache.glob(f"kernels/*-{self.architecture}/vmlinuz")),
                          key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
        return {parse_series(release): release for release in releases}

    def resolve(self, wanted):
        """{wanted series: release} of what is there or can be downloaded. The network is asked only if one is not there."""
        cached = self._cached()
        if all(series in cached for series in wanted):
            return {series: cached[series] for series in wanted}
        try:
            self.archive.update()
            packages, self.trouble = self.archive.packages(), self.archive.trouble
        except Unavailable as error:
            if not cached:
                raise
            packages, self.trouble = {}, str(error)
        # What the archive has no more may be there from before.
        available = {series: release for series, (release, _) in packages.items()} | cached
        return {series: available[other] for series, other in choose(wanted, available).items()}

    def file(self, release):
        """The kernel's file; downloads it if it is not there."""
        path = self.cache / "kernels" / release / "vmlinuz"
        if path.exists():
            return path
        packages = {found: package for found, package in self.archive.packages().values()}
        with tempfile.TemporaryDirectory(dir=self.cache) as directory:
            self.archive.fetch(packages[release], directory)
            kernels = [*pathlib.Path(directory).glob("boot/vmlinuz-*"),
                       *pathlib.Path(directory).glob("usr/lib/modules/*/vmlinuz")]
            if not kernels:
                raise Unavailable(f"Debian kernels: {packages[release]} has no kernel in it")
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(kernels[0], path)
        return path
