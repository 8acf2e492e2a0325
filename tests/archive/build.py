"""Build a small signed Debian-style archive of a made-up derivative.

The derivative is called ``kerepakupai``. Its packages are Debian bookworm's, fetched by a private
apt that never touches this machine's own state, plus two made here: ``jaula-probe`` (1.0, and 2.0
in ``kerepakupai-updates``) to install and upgrade, and ``jaula-daemon``, whose postinst starts a
service. Beside it is as much of Debian's own trixie, for hosts that reach no other archive.

    DEST/good/         dists/kerepakupai, dists/kerepakupai-updates, dists/trixie, pool
    DEST/expired/      the same with a Valid-Until in the past, rightly signed
    DEST/wrongsuite/   the same with a Release that names another suite
    DEST/unsigned/     the same without any signature
    DEST/keyring.gpg, DEST/wrong-keyring.gpg
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

SUITE = "kerepakupai"
ARCHITECTURES = ("amd64", "i386")
RELEASE_TIME = "%a, %d %b %Y %H:%M:%S UTC"

#: What is fetched: of which suite of Debian, for which architectures.
UPSTREAM = {"bookworm": ARCHITECTURES, "trixie": ("amd64",)}
UPSTREAM_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What minbase is made of for both engines, the marker of a merged /usr, two packages for tests to
# install, and what makes a jail a host of its own: Python for Ansible's modules, and sudo.
WANTED = (
    "?or(?essential,?priority(required))",
    "apt",
    "usr-is-merged",
    "hello",
    "tree",
    "procps",
    "python3",
    "sudo",
)

# Debian's own script asks for this one by name; a borrowed one asks only for what is required.
REQUIRED_HERE = ("usr-is-merged",)

PROBE = """\
Package: jaula-probe
Version: {version}
Architecture: all
Maintainer: Jaulas <jaulas@example.org>
Section: misc
Priority: optional
Description: package to install, upgrade and remove in tests
"""

DAEMON = """\
Package: jaula-daemon
Version: 1.0
Architecture: all
Maintainer: Jaulas <jaulas@example.org>
Section: misc
Priority: optional
Description: package whose installation starts a service
"""

# Runs until it is told to stop. As a script started by its path it keeps its own name in the
# process table.
DAEMON_PROGRAM = """\
#!/bin/sh
trap 'kill "$!"; exit 0' TERM
sleep infinity &
wait
"""

# The daemon is started without start-stop-daemon: engines replace that one by a fake while they
# bootstrap, and it is policy-rc.d, asked by invoke-rc.d, that a test wants to see at work.
DAEMON_INIT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          jaula-daemon
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: daemon that only tests want
### END INIT INFO
case "$1" in
start)
    echo started >>/var/lib/jaula-daemon/started
    setsid /usr/sbin/jaula-daemon </dev/null >/dev/null 2>&1 &
    echo "$!" >/run/jaula-daemon.pid
    ;;
stop)
    if [ -e /run/jaula-daemon.pid ]; then
        kill "$(cat /run/jaula-daemon.pid)" || true
        rm -f /run/jaula-daemon.pid
    fi
    ;;
esac
"""

DAEMON_POSTINST = """\
#!/bin/sh
set -e
update-rc.d jaula-daemon defaults >/dev/null
invoke-rc.d jaula-daemon start
"""

DAEMON_PRERM = """\
#!/bin/sh
set -e
invoke-rc.d jaula-daemon stop
"""

DAEMON_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/jaula-daemon/started
    update-rc.d jaula-daemon remove >/dev/null
fi
"""


def run(*argv: str | Path) -> bytes:
    """Run a program, give its output; on failure show what it said."""
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        sys.exit(f"{argv[0]} failed ({done.returncode}):\n{said}")
    return done.stdout


def upstream_mirror() -> str:
    """The Debian mirror: $DEBIAN_MIRROR, or the one that debootstrap would use by itself."""
    if mirror := os.environ.get("DEBIAN_MIRROR"):
        return mirror
    program = shutil.which("debootstrap")
    found = program and re.search(r'^DEF_MIRROR="(.+)"$', Path(program).read_text(), re.MULTILINE)
    if not found:
        sys.exit("debootstrap is not installed or names no mirror; DEBIAN_MIRROR can name one")
    return found[1]


def fetch(suite: str, arch: str, work: Path, pool_root: Path) -> str:
    """Download what ``arch`` of Debian's ``suite`` needs into the pool; give its index entries."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(
        f"deb [signed-by={UPSTREAM_KEYRING}] {upstream_mirror()} {suite} main\n"
    )
    options = {
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "APT::Get::Assume-Yes": "true",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": work / "cache",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::Status": work / "status",
    }
    flags = [f"-o{key}={value}" for key, value in options.items()]
    run("apt-get", *flags, "update")
    run("apt-get", *flags, "install", "--download-only", *WANTED)

    debs = {}
    for deb in (work / "cache" / "archives").glob("*.deb"):
        name, version, _arch = deb.stem.split("_")
        debs[f"{name}={version.replace('%3a', ':')}"] = deb
    shown = run("apt-cache", *flags, "show", *sorted(debs)).decode()
    entries = shown.strip().split("\n\n")
    for number, entry in enumerate(entries):
        field = dict(re.findall(r"^(Package|Version|Filename): (.+)$", entry, re.MULTILINE))
        place = pool_root / field["Filename"]
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(debs[f"{field['Package']}={field['Version']}"], place)
        if field["Package"] in REQUIRED_HERE:
            entries[number] = re.sub(r"(?m)^Priority: .*$", "Priority: required", entry)
    return "\n\n".join(entries) + "\n"


def make_package(control: str, root: Path, scripts: dict[str, str], files: dict[str, str]) -> str:
    """Build a package of our own into the pool; give its index entry."""
    field = dict(re.findall(r"^(\S+): (.+)$", control, re.MULTILINE))
    name = f"pool/main/j/{field['Package']}/{field['Package']}_{field['Version']}_all.deb"
    deb = root / name
    deb.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        contents = {"DEBIAN/control": control, **files}
        contents.update({f"DEBIAN/{key}": text for key, text in scripts.items()})
        for path, text in contents.items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        for path in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
            path.chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "--build", tree, deb)
    data = deb.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{control}Filename: {name}\nSize: {len(data)}\nSHA256: {digest}\n"


def make_probe(version: str, root: Path) -> str:
    script = f"#!/bin/sh\necho jaula-probe {version}\n"
    return make_package(PROBE.format(version=version), root, {}, {"usr/bin/jaula-probe": script})


def make_daemon(root: Path) -> str:
    scripts = {"postinst": DAEMON_POSTINST, "prerm": DAEMON_PRERM, "postrm": DAEMON_POSTRM}
    files = {
        "etc/init.d/jaula-daemon": DAEMON_INIT,
        "usr/sbin/jaula-daemon": DAEMON_PROGRAM,
        "var/lib/jaula-daemon/README": "Each start adds a line to the file 'started'.\n",
    }
    return make_package(DAEMON, root, scripts | {"conffiles": "/etc/init.d/jaula-daemon\n"}, files)


def write_indices(dist: Path, entries: dict[str, str]) -> None:
    for arch, text in entries.items():
        folder = dist / "main" / f"binary-{arch}"
        folder.mkdir(parents=True)
        data = text.encode()
        (folder / "Packages").write_bytes(data)
        (folder / "Packages.gz").write_bytes(gzip.compress(data, mtime=0))
        (folder / "Packages.xz").write_bytes(lzma.compress(data))


def write_release(
    dist: Path,
    suite: str,
    valid_until: datetime | None = None,
    architectures: tuple[str, ...] = ARCHITECTURES,
) -> None:
    """Write the Release file over the indices that lie (or are linked) in ``dist``."""
    date = valid_until - timedelta(days=7) if valid_until else datetime.now(timezone.utc)
    fields = {
        "Origin": "Canaima",
        "Label": "Canaima",
        "Suite": suite,
        "Version": "4.0",
        "Codename": suite,
        "Date": date.strftime(RELEASE_TIME),
        "Valid-Until": valid_until.strftime(RELEASE_TIME) if valid_until else None,
        "Architectures": " ".join(architectures),
        "Components": "main",
        "Description": "made-up derivative of Debian, for tests",
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    lines.append("SHA256:")
    for path in sorted((dist / "main").glob("binary-*/Packages*")):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f" {digest} {len(data):8} main/{path.parent.name}/{path.name}")
    (dist / "Release").write_text("\n".join(lines) + "\n")


def make_keys(home: Path, *exports: Path) -> None:
    """One new key per export; the first one signs."""
    for export in exports:
        user = f"Jaulas test archive {export.stem} <{export.stem}@example.org>"
        gpg(home, "--quick-generate-key", user, "ed25519", "sign", "never")
        export.write_bytes(gpg(home, "--export", f"={user}"))


def gpg(home: Path, *arguments: str | Path) -> bytes:
    return run("gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", *arguments)


def sign(home: Path, dist: Path, user: str) -> None:
    release = dist / "Release"
    gpg(home, "-u", user, "--clearsign", "--output", dist / "InRelease", release)
    gpg(home, "-u", user, "--armor", "--detach-sign", "--output", dist / "Release.gpg", release)


def make_variant(
    root: Path, name: str, release_suite: str = SUITE, valid_until: datetime | None = None
) -> Path:
    """A second archive over the same indices and pool."""
    dist = root / name / "dists" / SUITE
    dist.mkdir(parents=True)
    (root / name / "pool").symlink_to("../good/pool")
    (dist / "main").symlink_to(f"../../../good/dists/{SUITE}/main")
    write_release(dist, release_suite, valid_until)
    return dist


def build(root: Path) -> None:
    good = root / "good"
    work = root / "work"
    with ThreadPoolExecutor() as pool:
        fetched = {
            (suite, arch): pool.submit(fetch, suite, arch, work / f"{suite}-{arch}", good)
            for suite, architectures in UPSTREAM.items()
            for arch in architectures
        }
    entries = {arch: fetched["bookworm", arch].result() for arch in ARCHITECTURES}
    shutil.rmtree(work)

    ours = "\n".join([make_probe("1.0", good), make_daemon(good)])
    main = good / "dists" / SUITE
    write_indices(main, {arch: f"{text}\n{ours}" for arch, text in entries.items()})
    write_release(main, SUITE)
    updates = good / "dists" / f"{SUITE}-updates"
    write_indices(updates, dict.fromkeys(ARCHITECTURES, make_probe("2.0", good)))
    write_release(updates, f"{SUITE}-updates")
    trixie = good / "dists" / "trixie"
    write_indices(trixie, {"amd64": fetched["trixie", "amd64"].result()})
    write_release(trixie, "trixie", architectures=("amd64",))

    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    expired = make_variant(root, "expired", valid_until=past)
    wrongsuite = make_variant(root, "wrongsuite", release_suite="roraima")
    make_variant(root, "unsigned")

    # A folder of its own and of a short name: gpg-agent's sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        home = Path(folder)
        try:
            make_keys(home, root / "keyring.gpg", root / "wrong-keyring.gpg")
            for dist in (main, updates, trixie, expired, wrongsuite):
                sign(home, dist, "keyring@example.org")
        finally:
            run("gpgconf", "--homedir", home, "--kill", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dest", type=Path, required=True, help="folder of the finished archive")
    dest = parser.parse_args().dest.absolute()
    dest.parent.mkdir(parents=True, exist_ok=True)

    # An archive made by another version of this file is not the one that is wanted.
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = dest / "complete"
    with open(f"{dest}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == recipe:
            return
        partial = Path(f"{dest}.partial")
        for leftover in (partial, dest):
            if leftover.exists():
                shutil.rmtree(leftover)
        partial.mkdir()
        build(partial)
        (partial / stamp.name).write_text(recipe)
        os.rename(partial, dest)


if __name__ == "__main__":
    main()
