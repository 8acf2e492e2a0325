# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import (
    ENGINES,
    Engine,
    Recipe,
    explain,
    tail,
)

PLAIN = Recipe("trixie", "amd64")
MIRROR = "http://mirror.example.org/debian"
DEBOOTSTRAP, MMDEBSTRAP = ENGINES["debootstrap"], ENGINES["mmdebstrap"]
HOOK = "--hook-directory=/usr/share/mmdebstrap/hooks/"


def test_debootstrap_with_nothing_asked_for() -> None:
    assert DEBOOTSTRAP.argv(PLAIN, "/t") == [
        "debootstrap",
        "--arch=amd64",
        "--components=main",
        "--force-check-gpg",
        "trixie",
        "/t",
    ]


def test_mmdebstrap_with_nothing_asked_for() -> None:
    assert MMDEBSTRAP.argv(PLAIN._replace(suite="bookworm"), "/t") == [
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        "--variant=important",
        "--architectures=amd64",
        "--components=main",
        f"{HOOK}maybe-merged-usr",
        '--aptopt=Acquire::http::Timeout "20"',
        '--aptopt=Acquire::https::Timeout "20"',
        '--aptopt=Acquire::Retries "1"',
        "--skip=check/qemu,cleanup/apt/lists,update",
        "bookworm",
        "/t",
    ]


@pytest.mark.parametrize(
    ("changes", "hook"),
    [
        ({}, None),
        ({"merged_usr": True}, None),
        ({"merged_usr": False}, "no-merged-usr"),
        ({"suite": "derived", "script": "trixie"}, None),
        ({"suite": "derived", "script": "bookworm"}, "maybe-merged-usr"),
        ({"suite": "bookworm", "merged_usr": True}, "merged-usr"),
    ],
)
def test_mmdebstrap_lays_out_usr_only_where_the_suite_does_not(
    changes: dict[str, object], hook: str | None
) -> None:
    argv = MMDEBSTRAP.argv(PLAIN._replace(**changes), "/t")
    hooks = [word for word in argv if word.startswith("--hook-directory")]
    assert hooks == ([f"{HOOK}{hook}"] if hook else [])
    (skipped,) = (word for word in argv if word.startswith("--skip="))
    # Only that hook fetches the lists by itself.
    assert skipped.endswith(",update") == (hook == "maybe-merged-usr")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variant": "minbase"}, ["--variant=minbase"]),
        ({"variant": "buildd"}, ["--variant=buildd"]),
        ({"include": ["a", "b"]}, ["--include=a,b"]),
        ({"exclude": ["a", "b"]}, ["--exclude=a,b"]),
        ({"components": ["main", "contrib"]}, ["--components=main,contrib"]),
        ({"extra_suites": ["trixie-updates"]}, ["--extra-suites=trixie-updates"]),
        ({"merged_usr": True}, ["--merged-usr"]),
        ({"merged_usr": False}, ["--no-merged-usr"]),
        ({"keyring": "/k.gpg"}, ["--keyring=/k.gpg", "--force-check-gpg"]),
        ({"check_gpg": False}, ["--no-check-gpg"]),
    ],
)
def test_debootstrap_options(changes: dict[str, object], words: list[str]) -> None:
    argv = DEBOOTSTRAP.argv(PLAIN._replace(**changes), "/t")
    assert [word for word in words if word not in argv] == []
    assert ("--force-check-gpg" in argv) != ("--no-check-gpg" in argv)


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, ["trixie", "/t"]),
        ({"mirror": MIRROR}, ["trixie", "/t", MIRROR]),
        ({"mirror": MIRROR, "script": "sid"}, ["trixie", "/t", MIRROR, "sid"]),
        ({"script": "sid"}, ["trixie", "/t", "", "sid"]),
    ],
)
def test_debootstrap_arguments(changes: dict[str, object], end: list[str]) -> None:
    argv = DEBOOTSTRAP.argv(PLAIN._replace(**changes), "/t")
    assert argv[argv.index("trixie") :] == end


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variant": "minbase"}, ["--variant=minbase"]),
        ({"include": ["a", "b"], "mirror": MIRROR}, ["--include=a,b"]),
        ({"include": ["a"], "mirror": "https://m/d"}, ["--include=a,ca-certificates"]),
        ({"keyring": "/k.gpg"}, ["--keyring=/k.gpg"]),
        ({"check_valid_until": False}, ['--aptopt=Acquire::Check-Valid-Until "false"']),
        (
            {"check_gpg": False},
            [
                '--aptopt=Acquire::AllowInsecureRepositories "true"',
                '--aptopt=APT::Get::AllowUnauthenticated "true"',
            ],
        ),
        (
            {"mirror": MIRROR, "extra_suites": ["x"], "components": ["main", "contrib"]},
            [f"deb {MIRROR} trixie main contrib", f"deb {MIRROR} x main contrib"],
        ),
    ],
)
def test_mmdebstrap_options(changes: dict[str, object], words: list[str]) -> None:
    argv = MMDEBSTRAP.argv(PLAIN._replace(**changes), "/t")
    assert [word for word in words if word not in argv] == []


@pytest.mark.parametrize("check", [True, False])
def test_mmdebstrap_trusts_only_when_told(check: bool) -> None:
    argv = " ".join(MMDEBSTRAP.argv(PLAIN._replace(check_gpg=check), "/t"))
    assert ("Unauthenticated" in argv, "Insecure" in argv) == (not check, not check)


@pytest.mark.parametrize(
    ("engine", "changes", "said"),
    [
        (MMDEBSTRAP, {}, None),
        (MMDEBSTRAP, {"exclude": ["a"]}, "cannot exclude"),
        (MMDEBSTRAP, {"extra_suites": ["x"]}, "needs a mirror"),
        (MMDEBSTRAP, {"extra_suites": ["x"], "mirror": MIRROR}, None),
        (DEBOOTSTRAP, {"exclude": ["a"], "extra_suites": ["x"], "variant": "buildd"}, None),
        (DEBOOTSTRAP, {"variant": "essential"}, "no variant essential"),
    ],
)
def test_what_an_engine_cannot(
    engine: Engine, changes: dict[str, object], said: str | None
) -> None:
    reason = engine.cannot(PLAIN._replace(**changes))
    assert (said in reason) if reason and said else reason is said


def test_the_fastest_engine_is_asked_first() -> None:
    assert list(ENGINES) == ["mmdebstrap", "debootstrap"]


EXISTS = (
    "W: Failure trying to run: x\nE: Tried to extract package, but file already exists. Exit..."
)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "E: No such script: /usr/share/debootstrap/scripts/kerepakupai\n",
            "no script for the suite kerepakupai",
        ),
        (EXISTS, "debootstrap is too old"),
        (
            (
                "I: Checking Release signature\n"
                "E: Release signed by unknown key (key id 6ED0E7B82643E131)\n"
                "   The specified keyring /usr/share/keyrings/x.gpg may be incorrect.\n"
            ),
            "does not hold (6ED0E7B82643E131)",
        ),
        (
            (
                "W: GPG error: http://m trixie InRelease: The following signatures couldn't be "
                "verified because the public key is not available: NO_PUBKEY 6ED0E7B82643E131\n"
                "E: The repository 'http://m trixie InRelease' is not signed.\n"
            ),
            "does not hold (6ED0E7B82643E131)",
        ),
        (
            (
                "W: GPG error: http://m s InRelease: The following signatures were invalid: "
                "EXPKEYSIG 648ACFD622F3D138 Debian Archive <ftpmaster@debian.org>\n"
            ),
            "expired (648ACFD622F3D138)",
        ),
        (
            "The following signatures were invalid: BADSIG 648ACFD622F3D138 Debian\n",
            "signature of the archive's Release file is wrong",
        ),
        (
            "E: Invalid Release signature (key id 648ACFD622F3D138)\n",
            "signature of the archive's Release file is wrong",
        ),
        (
            "E: Release signature could not be checked: keyring file not available /k/x.gpg\n",
            "the keyring /k/x.gpg is missing",
        ),
        (
            "E: Failed getting release signature file http://m/dists/trixie/Release.gpg\n",
            "not signed",
        ),
        (
            "E: The repository 'copy:/x ./ Release' does not have a Release file.\n",
            "no such suite",
        ),
        (
            "E: Failed getting release file http://m/dists/nosuch/Release\n",
            "(http://m/dists/nosuch/Release)",
        ),
        (
            (
                "E: Release file for http://m/x/InRelease is expired (invalid since "
                "1d 2h). Updates for this repository will not be applied.\n"
            ),
            "has expired",
        ),
        (
            "E: Asked to install suite stable, but got trixie (codename: trixie) from mirror\n",
            "another suite: trixie (codename: trixie)",
        ),
        (
            "W: Conflicting distribution: http://m wheezy InRelease (expected wheezy but got k)\n",
            "another suite: expected wheezy but got k",
        ),
        (
            "E: Invalid Release file, no entry for main/binary-arm64/Packages\n",
            "no main/binary-arm64",
        ),
        ("E: Couldn't find these debs: nosuch nonesuch\n", "no package nosuch nonesuch"),
        ("E: Unable to locate package nosuch\n", "no package nosuch"),
        ("E: Package 'nosuch' has no installation candidate\n", "no package nosuch"),
        ("E: Couldn't download packages: base-files libc6\n", "did not deliver base-files libc6"),
        (
            "W: Couldn't download package libc6 (ver 2.41 arch amd64) at http://m/x.deb\n",
            "deliver libc6",
        ),
        (
            (
                "The following packages have unmet dependencies:\n a : Depends: b but it is not "
                "going to be installed\nE: Unable to correct problems, held broken packages.\n"
            ),
            "do not fit together (a)",
        ),
        (
            "E: Cannot install into target '/t' mounted with noexec or nodev\n",
            "makes no device nodes",
        ),
        ("E: Unable to execute target architecture\n", "cannot run programs of that architecture"),
        ("chroot: failed to run command 'true': Exec format error\n", "cannot run programs"),
        ("dpkg: error: cannot write: No space left on device\n", "the disk is full"),
        (
            (
                "Err:1 http://nowhere.invalid trixie InRelease\n"
                "  Could not resolve 'nowhere.invalid'\n"
            ),
            "('nowhere.invalid')",
        ),
        (
            "E: Failed to fetch http://m/pool/l/libc6.deb  404  Not Found [IP: 127.0.0.1 80]\n",
            "(http://m/pool/l/libc6.deb)",
        ),
        ("W: Failure while configuring base packages.\n", "could not be configured"),
        ("dpkg: error processing package nano (--configure):\n", "package nano could not be"),
        ("E: Sub-process /usr/bin/dpkg returned an error code (1)\n", "could not be configured"),
        ("I: one\nE: first\nE: something: new\n", "something: new"),
        ("I: nothing but news\n", "it gave no reason"),
        ("", "it gave no reason"),
    ],
)
def test_explain(log: str, cause: str) -> None:
    said, hint = explain(log)
    assert cause in said
    assert hint.endswith(".")


def test_the_root_cause_counts_and_not_what_follows_from_it() -> None:
    log = "tar: x: Cannot write: No space left on device\n" + EXISTS
    assert explain(log)[0] == "the disk is full"


@pytest.mark.parametrize("log", ["{0} {x} {", "E: {0}\n", "E: No such script: /x/{boom}\n"])
def test_braces_in_a_log_are_only_braces(log: str) -> None:
    assert isinstance(explain(log)[0], str)


def test_a_huge_log_is_read_in_time() -> None:
    """A package of the archive can print what it likes; the time must not grow by the square."""
    log = "I: Retrieving " + "x" * 10_000 + "\n" + "I: Unpacking y...\n" * 20_000
    started = time.process_time()
    assert explain(log)[0] == "it gave no reason"
    assert time.process_time() - started < 0.3


def test_tail() -> None:
    assert tail("a\nb\nc\n", 2) == ["b", "c"]
    assert len(tail("x\n" * 99)) == 40


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_an_engine_is_called_by_its_name(engine: Engine) -> None:
    """A path would pass by the engine that PATH has first."""
    assert engine.argv(PLAIN, "/t")[0] == engine.name
