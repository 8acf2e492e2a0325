# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest

from ansible_collections.jaulas.chroot.plugins.module_utils import _arch

AARCH64 = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
PYTHON = "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n"
EXTENSION = "enabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n"


def header(bits: int, order: str, machine: int, kind: int = 3) -> bytes:
    data = 1 if order == "<" else 2
    return (
        b"\x7fELF"
        + bytes((bits // 32, data, 1))
        + bytes(9)
        + struct.pack(f"{order}HH", kind, machine)
    )


@pytest.mark.parametrize(
    ("bits", "order", "machine", "name"),
    [
        (64, "<", 62, "amd64"),
        (32, "<", 62, "x32"),
        (32, "<", 3, "i386"),
        (64, "<", 183, "arm64"),
        (32, "<", 40, "armhf"),
        (64, "<", 21, "ppc64el"),
        (64, ">", 21, "ppc64"),
        (64, ">", 22, "s390x"),
        (64, "<", 243, "riscv64"),
        (64, "<", 258, "loong64"),
        (64, "<", 8, "mips64el"),
        (32, ">", 8, "mips"),
        (64, "<", 9999, None),
    ],
)
def test_of_program(bits: int, order: str, machine: int, name: str | None) -> None:
    assert _arch.of_program(header(bits, order, machine)) == name


@pytest.mark.parametrize("raw", [b"", b"#!/bin/sh\nexec true", b"\x7fELF", b"\x7fELF" + bytes(16)])
def test_what_is_no_program(raw: bytes) -> None:
    assert _arch.of_program(raw) is None


@pytest.mark.parametrize("name", sorted(set(_arch.ARCHITECTURES) - {"armel"}))
def test_a_header_names_its_architecture(name: str) -> None:
    assert _arch.of_program(_arch.ARCHITECTURES[name].header) == name


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "amd64"),
        ("i686", "i386"),
        ("aarch64", "arm64"),
        ("armv7l", "armhf"),
        ("armv6l", "armel"),
        ("ppc64le", "ppc64el"),
        ("ppc", "powerpc"),
        ("mips64", "mips64el"),
        ("riscv64", "riscv64"),
        ("vax", None),
    ],
)
def test_of_machine(machine: str, name: str | None) -> None:
    assert _arch.of_machine(machine) == name


def handlers(*texts: str) -> list[_arch.Handler]:
    return [_arch.parse_handler(text) for text in texts]


@pytest.mark.parametrize(
    ("arch", "machine", "texts", "said"),
    [
        ("amd64", "x86_64", (), None),
        ("i386", "x86_64", (), None),
        ("armhf", "armv7l", (), None),
        ("arm64", "x86_64", (AARCH64.format(flags="OCF"),), None),
        ("arm64", "x86_64", (AARCH64.format(flags="PF"), PYTHON), None),
        ("arm64", "x86_64", (), "no binfmt_misc handler"),
        ("arm64", "x86_64", (PYTHON, EXTENSION), "no binfmt_misc handler"),
        ("arm64", "x86_64", (AARCH64.format(flags="OC"),), "lacks the F flag"),
        ("arm64", "x86_64", (AARCH64.format(flags=""),), "lacks the F flag"),
        ("arm64", "x86_64", (AARCH64.format(flags="F").replace("en", "dis"),), "is disabled"),
        ("riscv64", "x86_64", (AARCH64.format(flags="F"),), "no binfmt_misc handler"),
    ],
)
def test_obstacle(arch: str, machine: str, texts: tuple[str, ...], said: str | None) -> None:
    found = _arch.obstacle(arch, machine, handlers(*texts))
    assert (said in found) if found and said else found is said


def test_position_independent_programs_are_taken_too() -> None:
    (handler,) = handlers(AARCH64.format(flags="F"))
    assert handler.takes(header(64, "<", 183, kind=3))
    assert handler.takes(header(64, "<", 183, kind=2))
    assert not handler.takes(header(64, "<", 62, kind=2))
    assert not handler.takes(b"\x7fELF")
