# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engines: parameters to an argument list, and what an engine's last words mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

#: Suites whose own packages lay out /usr as debootstrap does (base-files since 13.3).
_MERGED = ("trixie", "forky", "duke", "sid", "testing", "unstable")
#: Where mmdebstrap keeps the hooks that lay out /usr as debootstrap does.
_HOOKS = "/usr/share/mmdebstrap/hooks"
_TIMEOUT = 20
_RETRIES = 2
#: What a download that hangs may cost: wget itself would wait for hours (wget(1), --timeout).
WGETRC = f"timeout = {_TIMEOUT}\ntries = {_RETRIES}\n"


class Recipe(Record):
    """Everything that decides what a bootstrap makes; the fields are debootstrap_jail's options."""

    suite: str
    arch: str
    mirror: str | None = None
    variant: str = "default"
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    components: Sequence[str] = ("main",)
    extra_suites: Sequence[str] = ()
    keyring: str | None = None
    check_gpg: bool = True
    check_valid_until: bool = True
    script: str | None = None
    merged_usr: bool | None = None
    http_proxy: str | None = None
    deb_cache: bool = True


def _list_option(name: str, values: Sequence[str]) -> list[str]:
    return [f"--{name}={','.join(values)}"] if values else []


def _debootstrap(recipe: Recipe, target: str) -> list[str]:
    argv = ["debootstrap", f"--arch={recipe.arch}"]
    if recipe.variant != "default":
        argv.append(f"--variant={recipe.variant}")
    argv += _list_option("include", recipe.include)
    argv += _list_option("exclude", recipe.exclude)
    argv += _list_option("components", recipe.components)
    argv += _list_option("extra-suites", recipe.extra_suites)
    if recipe.merged_usr is not None:
        argv.append("--merged-usr" if recipe.merged_usr else "--no-merged-usr")
    if recipe.keyring:
        argv.append(f"--keyring={recipe.keyring}")
    # Left to itself it goes on unverified where its keyring is missing and a mirror is given.
    argv.append("--force-check-gpg" if recipe.check_gpg else "--no-check-gpg")
    argv += [recipe.suite, target, recipe.mirror or ""]
    # The fourth argument is a script's name or path; the third may be empty (the default mirror).
    return [*argv, recipe.script] if recipe.script else argv if recipe.mirror else argv[:-1]


def _mmdebstrap(recipe: Recipe, target: str) -> list[str]:
    variant = "important" if recipe.variant == "default" else recipe.variant
    argv = ["mmdebstrap", "--mode=root", "--format=directory", f"--variant={variant}"]
    argv.append(f"--architectures={recipe.arch}")
    include = list(recipe.include)
    if (recipe.mirror or "").startswith("https://"):
        # debootstrap adds it by itself: without it the jail could not reach its own mirror.
        include.append("ca-certificates")
    argv += _list_option("include", include)
    argv += _list_option("components", recipe.components)
    hook = {None: "maybe-merged-usr", True: "merged-usr", False: "no-merged-usr"}[recipe.merged_usr]
    if (recipe.script or recipe.suite) in _MERGED and recipe.merged_usr is not False:
        hook = ""
    if hook:
        argv.append(f"--hook-directory={_HOOKS}/{hook}")
    if recipe.keyring:
        argv.append(f"--keyring={recipe.keyring}")
    # These land in the jail's apt.conf.d as 99mmdebstrap, which is taken out afterwards.
    options = [
        f'Acquire::http::Timeout "{_TIMEOUT}"',
        f'Acquire::https::Timeout "{_TIMEOUT}"',
        f'Acquire::Retries "{_RETRIES - 1}"',
    ]
    if not recipe.check_gpg:
        options += [
            'Acquire::AllowInsecureRepositories "true"',
            'APT::Get::AllowUnauthenticated "true"',
        ]
    if not recipe.check_valid_until:
        options.append('Acquire::Check-Valid-Until "false"')
    argv += [f"--aptopt={option}" for option in options]
    # Whether the host runs programs of the architecture was judged before (_arch.obstacle), without
    # arch-test. The lists tell what the archive called itself; they are taken out afterwards.
    skipped = "check/qemu,cleanup/apt/lists"
    if hook == "maybe-merged-usr":
        # It has fetched the lists itself, in order to decide.
        skipped += ",update"
    argv += [f"--skip={skipped}", recipe.suite, target]
    if recipe.mirror:
        suites = [recipe.suite, *recipe.extra_suites]
        parts = " ".join(recipe.components)
        argv += [f"deb {recipe.mirror} {suite} {parts}" for suite in suites]
    return argv


def _debootstrap_cannot(recipe: Recipe) -> str | None:
    if recipe.variant == "default" or recipe.variant in ("minbase", "buildd"):
        return None
    return f"it has no variant {recipe.variant}"


def _mmdebstrap_cannot(recipe: Recipe) -> str | None:
    if recipe.exclude:
        return "it cannot exclude packages"
    if recipe.extra_suites and not recipe.mirror:
        return "it needs a mirror to take extra suites from"
    return None


class Engine(Record):
    """A program that bootstraps: how to call it, and why it cannot do what a recipe asks for."""

    name: str
    argv: Callable[[Recipe, str], list[str]]
    cannot: Callable[[Recipe], str | None]


#: The fastest first: `auto` takes the first that the host has and that can.
ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("mmdebstrap", _mmdebstrap, _mmdebstrap_cannot),
        Engine("debootstrap", _debootstrap, _debootstrap_cannot),
    )
}

DISK_FULL = "the disk is full"
#: What the engines and apt say, what it means, and what to try. The first match counts.
_MEANINGS: Sequence[tuple[str, str, str]] = (
    (
        r"No space left on device|You don't have enough free space",
        DISK_FULL,
        "Free some space, or put the jail on another file system.",
    ),
    (
        r"No such script: \S*?([^/\s]+)$",
        "debootstrap has no script for the suite {0}",
        "Check its spelling, or name a suite like it in `script`.",
    ),
    (
        r"signed by unknown key \(key id (\w+)|NO_PUBKEY (\w+)",
        "the archive is signed by a key that the keyring does not hold ({0})",
        "Name the archive's own keyring in `keyring`.",
    ),
    (
        r"Invalid Release signature|BADSIG",
        "the signature of the archive's Release file is wrong",
        "Something changed the file on its way; try another mirror or leave out the proxy.",
    ),
    (
        r"EXPKEYSIG (\w+)",
        "the archive is signed by a key that has expired ({0})",
        "Update the keyring package.",
    ),
    (
        r"keyring file not available (\S+)|specified keyring file \((\S+)\) not found",
        "the keyring {0} is missing, so the archive cannot be verified",
        "Install it (debian-archive-keyring, ...) or name another in `keyring`.",
    ),
    (
        r"Failed getting release signature|repository .* is not signed",
        "the archive is not signed",
        "Use a signed mirror, or set check_gpg: false if you trust this one.",
    ),
    (
        r"Release file .* is expired|Release file .* expired",
        "the archive's Release file has expired",
        "The mirror is stale; for a frozen archive set check_valid_until: false.",
    ),
    (
        r"Asked to install suites? .*, but got (.+) from|Conflicting distribution: .*\((.*)\)",
        "the archive holds another suite: {0}",
        "Name that suite, or another mirror.",
    ),
    (
        r"no entry for (\S+/binary-\S+)/Packages",
        "the archive has no {0}",
        "Check `arch` and `components`.",
    ),
    (
        r"Couldn't find these debs: (.+)|Unable to locate package (\S+)|E: Package '(\S+)' has",
        "the archive has no package {0}",
        "Check `include`, `components` and `extra_suites`.",
    ),
    (
        r"^ ?(\S+) : Depends: (.+)",
        "the packages asked for do not fit together ({0})",
        "Check `include` and `extra_suites`.",
    ),
    (
        r"mounted with noexec or nodev",
        "the host makes no device nodes there, or runs no programs",
        "In a container allow mknod; a network file system cannot hold a jail.",
    ),
    (
        r"Unable to execute target architecture|Exec format error",
        "the host cannot run programs of that architecture",
        "Install qemu-user-static (with its binfmt_misc handlers) on the host.",
    ),
    (
        r"Tried to extract package, but file already exists",
        "debootstrap is too old for this suite",
        "Update debootstrap on the host, or use engine: mmdebstrap.",
    ),
    (
        r"Failed getting release file (\S+)|does not have a Release file",
        "the mirror has no such suite, or does not answer ({0})",
        "Check the mirror and the suite.",
    ),
    (
        r"Couldn't download packages: (.+)|Couldn't download (?:package )?(\S+)",
        "the mirror did not deliver {0}",
        "Try again or another mirror; what it delivers may be incomplete or damaged.",
    ),
    (
        r"Could not (?:connect to|resolve) (\S+)|Failed to fetch (\S+)|Connection (?:fail|timed)",
        "the mirror does not deliver ({0})",
        "Check the mirror, the network and the proxy.",
    ),
    (
        r"dpkg: error processing package (\S+) \(--(?:configure|install)\)",
        "the package {0} could not be configured in the jail",
        "Read the log; the host may lack what the package needs.",
    ),
    (
        r"Failure (?:while configuring|trying to run)|returned an error code|exit(?:ed)? with",
        "a package could not be configured in the jail",
        "Read the log; the host may lack what the package needs.",
    ),
)


def explain(log: str) -> tuple[str, str]:
    """Find the cause in an engine's log: a clause for a sentence, and what to try."""
    for pattern, cause, hint in _MEANINGS:
        match = re.search(pattern, log, re.MULTILINE)
        if match:
            detail = next((group for group in match.groups() if group), "see the log")
            return cause.format(detail.strip()), hint
    said = [line for line in log.splitlines() if re.match(r"E: |.*error: ", line)]
    return (said[-1].partition(": ")[2] if said else "it gave no reason"), "Read the log."


def tail(log: str, lines: int = 40) -> list[str]:
    """The last lines of a log, for a result."""
    return log.splitlines()[-lines:]
