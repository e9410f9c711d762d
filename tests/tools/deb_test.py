#!/usr/bin/python3
"""The Debian packages that cpack makes: control fields, contents, unit, manual pages and completion. With --install
also: the agent's installs and goes away without a trace in a fresh Debian 12. That needs root, debootstrap and the
package source of this machine, which is one."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tools import SOURCE, need, run, skip, work_directory

BUILD = os.environ.get("OUTRIDER_BUILD", os.path.join(SOURCE, "build"))
EXPOSURE = 30  # tenths, of `systemd-analyze security`
CONTENTS = {  # of the agent's package: every file and its mode
    "etc/outrider/outrider.toml": "-rw-r--r--",
    "usr/bin/outrider": "-rwxr-xr-x",
    "usr/lib/systemd/system/outrider.service": "-rw-r--r--",
    "usr/share/bash-completion/completions/outrider": "-rw-r--r--",
    "usr/share/man/man1/outrider.1.gz": "-rw-r--r--",
    "usr/share/man/man5/outrider.toml.5.gz": "-rw-r--r--",
    **{f"usr/share/doc/outrider/{name}": "-rw-r--r--"
       for name in ("CHANGELOG.md.gz", "README.md", "SECURITY.md", "changelog.gz", "copyright", "examples/local-only.conf",
                    "examples/other-paths.conf", "examples/perf-uprobes.conf", "rules.toml", "alerts/default.toml", "usdt/PROBES.md",
                    *(f"packaging/{name}" for name in ("outrider.toml", "outrider.service", "grafana/outrider.json",
                                                       "prometheus/outrider.alerts.yml", "prometheus/outrider.rules.yml")),
                    *(f"{folder}/{path.name}" for folder in ("docs", "usdt/profiles", "usdt/example/rust")
                      for path in pathlib.Path(SOURCE, folder).iterdir()))},
}


class Package:
    def __init__(self, path, directory):
        self.path, self.root, self.control_files = path, directory / "root", directory / "control"
        directory.mkdir()
        run(["dpkg-deb", "-x", str(path), str(self.root)])
        run(["dpkg-deb", "-e", str(path), str(self.control_files)])

    def field(self, name):
        return run(["dpkg-deb", "-f", str(self.path), name]).strip()

    def file(self, name):
        return self.root / name


def pack(directory):
    done = run(["cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", str(directory)])
    made = {path.name.split("_")[0]: path for path in directory.glob("*.deb")}
    assert set(made) == {"outrider", "outrider-usdt-dev"}, f"{sorted(made)}:\n{done}"
    return [Package(made[name], directory / f"{name}.unpacked") for name in sorted(made)]


def check_control(package):
    depends = package.field("Depends")
    names = re.findall(r"[a-z0-9][a-z0-9+.-]+(?=[ ,]|$)", re.sub(r"\([^)]*\)", "", depends))
    # Debian 12's is too old and another version reads wrong arguments: it is linked statically.
    assert not any("bpf" in name for name in names), depends
    assert {"libc6", "libstdc++6"} <= set(names) and any(name.startswith("libelf1") for name in names), depends
    assert any(name.startswith("libncursesw6") for name in names), depends
    needed = run(["readelf", "-dW", str(package.file("usr/bin/outrider"))])
    assert "libelf" in needed and "libbpf" not in needed, needed
    assert "<outrider@" in package.field("Maintainer") and package.field("Section") == "admin"
    assert (package.control_files / "conffiles").read_text() == "/etc/outrider/outrider.toml\n"
    changelog = gzip.open(package.file("usr/share/doc/outrider/changelog.gz"), "rt").readline()
    version = package.field("Version")
    assert changelog.startswith(f"outrider ({version}) "), f"{changelog} is not of version {version}"
    assert run([str(package.file("usr/bin/outrider")), "--version"]).strip() == version
    print(f"{package.path.name}: {package.path.stat().st_size} bytes; depends: {depends}")


def check_contents(package):
    found = {}
    for line in run(["dpkg-deb", "-c", str(package.path)]).splitlines():
        mode, owner, _, _, _, name = line.split(maxsplit=5)
        assert owner == "root/root", line
        if name.endswith("/"):
            assert mode == "drwxr-xr-x", line
        else:
            found[name.removeprefix("./")] = mode
    found.pop("usr/share/doc/outrider/libbpf.copyright", None)  # where Debian's libbpf-dev is what was linked
    assert found == CONTENTS, f"not as expected: {set(found.items()) ^ set(CONTENTS.items())}"
    assert ".debug_info" not in run(["readelf", "-SW", str(package.file("usr/bin/outrider"))]), "not stripped"


def check_links(package):
    pages = list(package.file("usr/share/doc/outrider").rglob("*.md"))
    links = {(page, path) for page in pages for path in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))}
    assert len(links) > 30, links
    dead = sorted(f"{page.name}: {path}" for page, path in links if not (page.parent / path).exists())
    assert not dead, dead


def check_scripts(package):
    verbs = set()
    for name in ("postinst", "prerm", "postrm"):
        path = package.control_files / name
        assert os.access(path, os.X_OK), name
        run(["sh", "-n", str(path)])
        calls = r"(?:^|[;&|{] *|then )\s*(?:systemctl|service|invoke-rc\.d) +(\S+)"
        verbs |= set(re.findall(calls, path.read_text(), re.M))
    # An installation attaches to nobody's database.
    assert verbs == {"daemon-reload", "try-restart", "stop"}, verbs


def check_usdt(package):
    files = {str(path.relative_to(package.root)) for path in package.root.rglob("*") if not path.is_dir()}
    for end in ("usr/include/outrider/query.hpp", "/liboutrider-usdt.so", "/liboutrider-usdt.so.1", "/outrider-usdt.pc",
                "/outrider-usdt-config.cmake", "doc/outrider-usdt-dev/PROBES.md", "examples/rust/outrider.rs"):
        assert any(file.endswith(end) for file in files), f"{end} is not among {sorted(files)}"
    assert not any(file.startswith(("usr/bin/", "etc/")) for file in files), files
    for path in package.root.rglob("*.pc"):
        assert path.read_text().startswith("prefix=/usr\n"), f"{path.name}: {path.read_text()}"


def check_unit(package, directory):
    """With the drop-ins that the package has as examples, one after the other and without any."""
    unit = directory / "unit" / "outrider.service"
    unit.parent.mkdir()
    text = package.file("usr/lib/systemd/system/outrider.service").read_text()
    assert "ExecStart=/usr/bin/outrider run\n" in text
    # Among what @privileged takes away; the agent gives up capabilities with it, and does not run without.
    assert re.search(r"^SystemCallFilter=[^~].*\bcapset\b", text, re.M), "the unit forbids capset"
    unit.write_text(text.replace("/usr/bin/outrider", str(package.file("usr/bin/outrider"))))
    drop_in = directory / "unit" / "outrider.service.d" / "example.conf"
    for example in [None, *sorted(package.file("usr/share/doc/outrider/examples").iterdir())]:
        if example:
            drop_in.parent.mkdir(exist_ok=True)
            drop_in.write_text(example.read_text())
        said = run(["systemd-analyze", "verify", "--man=no", str(unit)])
        assert not said, f"{example}: {said}"
    shutil.rmtree(drop_in.parent)
    score = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE}", str(unit)])
    print(score.splitlines()[-1].lstrip("→ "))


def rendered(path):
    """A manual page as text; fails if its source gives the formatter a reason to complain."""
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=120n"], input=gzip.open(path).read(),
                          capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, f"{path.name}: {done.stderr.decode()}"
    return done.stdout.decode()


def help_of(package, *words):
    return run([str(package.file("usr/bin/outrider")), *words, "--help"])


def subcommands(package):
    return re.findall(r"^  ([a-z-]+) ", help_of(package).partition("Subcommands:")[2].partition("\n\n")[0], re.M)


def options(text):
    return set(re.findall(r"^ +(?:-\w,)?(--[a-z0-9-]+)", text, re.M))


def check_manual(package):
    page = rendered(package.file("usr/share/man/man1/outrider.1.gz"))
    commands = page.partition("\nCOMMANDS")[2].partition("\nEXIT STATUS")[0]
    general, *sections = re.split(r"^   outrider ", commands, flags=re.M)
    sections = {section.split()[0]: section for section in sections}
    commands = subcommands(package)
    assert len(commands) >= 6 and set(sections) == set(commands), f"{sorted(sections)} for {commands}"
    for command, text in [("", general), *sections.items()]:
        missing = [option for option in options(help_of(package, *command.split()))
                   if not re.search(rf"{option}(?![\w-])", text + general)]
        assert not missing, f"outrider(1), {command}: nothing about {missing}"


def check_toml_manual(package, directory):
    config = directory / "target.toml"
    conffile = package.file("etc/outrider/outrider.toml")
    program = str(package.file("usr/bin/outrider"))
    assert "targets: none" in run([program, "check-config", str(conffile)])
    config.write_text('[[targets]]\nname = "engine"\n')
    page = rendered(package.file("usr/share/man/man5/outrider.toml.5.gz"))
    sections = dict(re.findall(r"^(\[\S+\])\n(.*?)(?=^\S|\Z)", page, re.M | re.S))
    table, keys = "", 0
    for line in run([program, "check-config", "--print", str(config)]).splitlines():
        if line.startswith("["):
            table = line
        elif line:
            key = line.split()[0]
            assert re.search(rf"^ +{key} = ", sections.get(table, ""), re.M), f"outrider.toml(5): no {key} in {table}"
            keys += 1
    assert keys > 50, keys


def completions(package, *words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _outrider; '
              'if ((${#COMPREPLY[@]})); then printf "%s\\n" "${COMPREPLY[@]}"; fi')
    path = package.file("usr/share/bash-completion/completions/outrider")
    return set(run(["bash", "-c", script, "bash", str(path), str(package.file("usr/bin/outrider")), *words]).split())


def check_completion(package, directory):
    commands = subcommands(package)
    assert completions(package, "") == set(commands)
    assert completions(package, "--log-level", "debug", "w") == {"watch"}
    for command in commands:
        assert completions(package, command, "--") == options(help_of(package, command)), command
    assert completions(package, "watch", "--format", "") == {"table", "json"}
    assert completions(package, "history", "--format", "=", "c") == {"csv"}
    assert completions(package, "run", "--log-level", "err") == {"error"}
    assert str(os.getpid()) in completions(package, "doctor", "--pid", "")
    name = pathlib.Path("/proc/self/comm").read_text().strip()
    assert name in completions(package, "watch", "--name", name[:3])
    (directory / "some.toml").touch()
    for words in (("run", "--config"), ("history", "--db"), ("check-config",)):
        assert completions(package, *words, str(directory / "some.t")) == {str(directory / "some.toml")}, words


def check_install(package):
    """In a fresh Debian 12. Nothing is mounted, so that removing the directory removes all."""
    need("debootstrap", "chroot")
    if os.geteuid() != 0:
        skip("--install needs root")
    sources = [path.read_text() for path in pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")]
    mirror = next((re.search(r"^URIs: *(\S+)", text, re.M)[1] for text in "\n\n".join(sources).split("\n\n")
                   if re.search(r"^Suites:.* bookworm( |$)|^Suites: bookworm( |$)", text, re.M)), None)
    if not mirror:
        skip("no source for Debian 12 in /etc/apt/sources.list.d to install from")
    with tempfile.TemporaryDirectory(prefix="outrider-install-", dir="/var/tmp") as directory:
        root = pathlib.Path(directory) / "bookworm"
        run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(root), mirror])
        shutil.copy(package.path, root / "tmp")

        def inside(command):
            return run(["chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", command])
        said = inside(f"apt-get update -qq; apt-get install -y -qq --no-install-recommends /tmp/{package.path.name}")
        assert "systemctl enable --now outrider" in said, said
        assert inside("outrider --version").strip() == package.field("Version")
        assert "targets: none" in inside("outrider check-config /etc/outrider/outrider.toml")
        assert "libbpf" not in inside("dpkg-query -W")
        inside("mkdir /var/lib/outrider; touch /var/lib/outrider/history.db; apt-get remove -y -qq outrider")
        assert (root / "etc/outrider/outrider.toml").exists() and (root / "var/lib/outrider/history.db").exists()
        inside("apt-get purge -y -qq outrider")
        left = [path for top in ("etc", "usr", "var/lib") for path in (root / top).rglob("*outrider*")]
        assert not left, left
        print("installed, removed and purged in a fresh Debian 12")


def main():
    need("cpack", "dpkg-deb", "dpkg-shlibdeps", "file", "readelf", "groff", "systemd-analyze")
    if not os.path.exists(os.path.join(BUILD, "bin", "outrider")):
        skip("the agent is not built; set OUTRIDER_BUILD to the build directory")
    cache = pathlib.Path(BUILD, "CMakeCache.txt").read_text()
    if "\nCMAKE_INSTALL_PREFIX:PATH=/usr\n" not in cache:
        skip(f"{BUILD} is configured for another prefix; packages need cmake -DCMAKE_INSTALL_PREFIX=/usr {BUILD}")
    with work_directory() as name:
        directory = pathlib.Path(name)
        agent, usdt = pack(directory)
        check_control(agent)
        check_contents(agent)
        check_links(agent)
        check_scripts(agent)
        check_usdt(usdt)
        check_unit(agent, directory)
        check_manual(agent)
        check_toml_manual(agent, directory)
        check_completion(agent, directory)
        if "--install" in sys.argv[1:]:
            check_install(agent)


if __name__ == "__main__":
    main()
