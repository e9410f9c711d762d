"""The guest's file system: Python and a few programs, the built agent, engines and tests.

Programs are taken from where we are, with the libraries that ldd names: what is tested in the guest is what was built
here, under another kernel. A guest of another architecture has them from a folder of Debian's packages (sysroot.py)."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

BINARIES = ("outrider", "graph-engine", "scripted-engine", "nop5-engine", "session_test", "single_queries_test")
# What the emulated machine alone can run: the header's and the note parser's tests by that architecture's own processor.
MORE = {"arm64": ("elf_notes_test", "site_code_test", "arg_decode_test", "usdt_guard_test")}
PROGRAMS = ("sh", "bash", "mount", "umount", "ip", "unshare", "bpftool", "sleep", "cat", "cp", "rm", "mkdir", "ls", "uname",
            "dmesg", "sync", "setpriv")
# For the shipped unit: no other service of the distribution's is started.
SYSTEMD = "/usr/lib/systemd/systemd"
UNITS = ("basic.target", "sysinit.target", "shutdown.target", "local-fs.target", "network.target")
PYTHON = "/usr/bin/python3"  # the distribution's, whatever else is in the path
SOURCES = ("tests/e2e", "tests/vm", "usdt/profiles", "packaging")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
UNUSED = shutil.ignore_patterns("test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip", "turtledemo", "dist-packages",
                                "config-*")
ROOM = 256 << 20  # for records, histories and copies of the engine


def unbuilt(build, architecture="amd64"):
    """What of the build is not there, and what to do, as one sentence; None if all is."""
    names = [name for name in (*BINARIES, *MORE.get(architecture, ())) if not (build / "bin" / name).exists()]
    how = "scripts/build" + (f" --preset {architecture}" if architecture != "amd64" else "")
    return f"not built in {build}: {', '.join(names)}; run {how}" if names else None


def missing_programs():
    """The same of this machine's programs."""
    names = [name for name in (*PROGRAMS, *Here.more, PYTHON, "mkfs.ext4", "strip", "ldd", "dpkg-deb") if not which(name)]
    return f"not installed: {', '.join(names)}; run scripts/setup" if names else None


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Here:
    """This machine as the source of a guest's programs."""
    strip = "strip"
    more = ("systemctl", SYSTEMD)

    def which(self, name):
        return which(name)

    def standard(self):
        """The folder of Python's standard library."""
        asked = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"], capture_output=True,
                               text=True, check=True)
        return pathlib.Path(asked.stdout.strip())

    def libraries_of(self, files):
        """The paths of all libraries that these programs are linked with, and of their loader."""
        done = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False)
        return set(re.findall(r"(/\S+) \(0x", done.stdout))

    def inside(self, path):
        """Where a file of here is in the guest."""
        path = pathlib.Path(path)
        return str(path.parent.resolve() / path.name).lstrip("/")


class Sysroot:
    """A folder of packages for another architecture, whose programs cannot be started here."""
    more = ()

    def __init__(self, root, triplet):
        self.root, self.folder, self.strip = root, root / "usr/lib" / triplet, f"{triplet}-strip"

    def which(self, name):
        """Only in usr: /bin and /sbin are links to there."""
        if name == PYTHON:
            return str(self.root / PYTHON.lstrip("/"))
        found = [path for path in (self.root / "usr/bin" / name, self.root / "usr/sbin" / name) if path.exists()]
        return str(found[0]) if found else None

    def standard(self):
        return next(self.root.glob("usr/lib/python3.*"))

    def libraries_of(self, files):
        """What each names as needed, and those in turn."""
        found, todo = set(), [pathlib.Path(file) for file in files]
        while todo:
            done = subprocess.run(["readelf", "-W", "-d", "-l", *todo], capture_output=True, text=True, check=False)
            needed = {self.folder / name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", done.stdout)}
            needed |= {self.root / name for name in re.findall(r"program interpreter: /(\S+)\]", done.stdout)}
            todo = sorted(path for path in needed - found if path.exists())
            found.update(todo)
        return {str(path) for path in found}

    def inside(self, path):
        path = pathlib.Path(path)
        return str((path.parent.resolve() / path.name).relative_to(self.root.resolve()))


class Image:
    """root-FINGERPRINT.img in the cache: made anew when something that goes into it has changed."""

    def __init__(self, source, build, cache, origin=None, architecture="amd64"):
        self.source, self.build, self.cache, self.origin = source, build, cache, origin or Here()
        self.programs = (*PROGRAMS, *self.origin.more, PYTHON)
        self.binaries = (*BINARIES, *MORE.get(architecture, ()))
        self.name = "root" if architecture == "amd64" else f"{architecture}-root"

    def _inputs(self):
        files = [self.build / "bin" / name for name in self.binaries]
        files += [pathlib.Path(self.origin.which(name)) for name in self.programs]
        for folder in SOURCES:
            files += sorted(path for path in (self.source / folder).rglob("*")
                            if path.is_file() and "__pycache__" not in path.parts)
        return files

    def _fingerprint(self):
        digest = hashlib.sha256()
        for path in self._inputs():
            status = path.stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def file(self):
        path = self.cache / f"{self.name}-{self._fingerprint()}.img"
        if path.exists():
            return path
        for old in self.cache.glob(f"{self.name}-*.img"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=self.cache) as directory:
            root = pathlib.Path(directory) / "root"
            self._fill(root)
            size = sum(file.lstat().st_size + 4096 for file in root.rglob("*")) + ROOM
            made = pathlib.Path(directory) / "root.img"
            subprocess.run([which("mkfs.ext4"), "-q", "-E", "root_owner=0:0", "-d", root, made, f"{size >> 10}k"],
                           check=True, stdout=subprocess.DEVNULL)
            os.replace(made, path)
        return path

    def _fill(self, root):
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "dev", "run", "tmp", "root", "etc",
                       "mnt", "var/tmp", "outrider/build/bin"):
            (root / folder).mkdir(parents=True)
        for link, target in LINKS.items():
            (root / link).symlink_to(target)
        (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", encoding="ascii")
        (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n", encoding="ascii")
        for name in self.programs:
            self._place(root, self.origin.which(name))
        if self.origin.more:
            self._place_units(root)
        for name in self.binaries:
            # Functions must keep their names; debugging information would be two thirds of the image.
            subprocess.run([self.origin.strip, "--strip-debug", "-o", root / "outrider/build/bin" / name,
                            self.build / "bin" / name], check=True)
        standard = self.origin.standard()
        shutil.copytree(standard, root / self.origin.inside(standard), ignore=UNUSED, symlinks=True)
        for folder in SOURCES:
            shutil.copytree(self.source / folder, root / "outrider" / folder, ignore=shutil.ignore_patterns("__pycache__"))
        programs = [self.origin.which(name) for name in self.programs]
        programs += [self.build / "bin" / name for name in self.binaries]
        for library in self.origin.libraries_of([*programs, *standard.glob("lib-dynload/*.so")]):
            self._place(root, library)

    def _place_units(self, root):
        """As the package has it: the unit names /usr/bin/outrider."""
        units = pathlib.Path(SYSTEMD).parent / "system"
        for name in UNITS:
            self._place(root, units / name)
        own = root / "etc/systemd/system"
        own.mkdir(parents=True)
        shutil.copy2(self.source / "tests/vm/guest/outrider-checks.service", own)
        (root / "usr/bin/outrider").symlink_to("/outrider/build/bin/outrider")

    def _place(self, root, path):
        """A file under the name by which it is known here, in the folder that the name's folder really is."""
        path = pathlib.Path(path)
        target = root / self.origin.inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path.resolve(), target)
