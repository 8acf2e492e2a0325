# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's architectures: how their programs look, and what a kernel needs to run them. Pure."""

from __future__ import annotations

import struct

from ansible_collections.jaulas.chroot.plugins.module_utils._record import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable


class Architecture(Record):
    """One Debian architecture as ELF and uname(2) see it.

    machine is the e_machine of ELF; native names the uname machines that run it without help;
    personality32 says that a 64-bit kernel should call itself 32-bit to its programs.
    """

    name: str
    bits: int
    little: bool
    machine: int
    native: tuple[str, ...]
    personality32: bool = False

    @property
    def header(self) -> bytes:
        """The first 20 bytes of a program of this architecture: what binfmt_misc looks at."""
        order = "<" if self.little else ">"
        ident = b"\x7fELF" + bytes([self.bits // 32, 1 if self.little else 2, 1]) + bytes(9)
        return ident + struct.pack(order + "HH", 2, self.machine)


ARCHITECTURES: dict[str, Architecture] = {
    item.name: item
    for item in (
        Architecture("amd64", 64, True, 62, ("x86_64",)),
        Architecture("i386", 32, True, 3, ("x86_64", "i386", "i486", "i586", "i686"), True),
        Architecture("x32", 32, True, 62, ("x86_64",)),
        Architecture("arm64", 64, True, 183, ("aarch64",)),
        Architecture("armhf", 32, True, 40, ("armv7l", "armv8l"), True),
        Architecture("armel", 32, True, 40, ("armv5tel", "armv6l", "armv7l", "armv8l"), True),
        Architecture("ppc64el", 64, True, 21, ("ppc64le",)),
        Architecture("ppc64", 64, False, 21, ("ppc64",)),
        Architecture("powerpc", 32, False, 20, ("ppc", "ppc64"), True),
        Architecture("s390x", 64, False, 22, ("s390x",)),
        Architecture("riscv64", 64, True, 243, ("riscv64",)),
        Architecture("loong64", 64, True, 258, ("loongarch64",)),
        Architecture("mips64el", 64, True, 8, ("mips64",)),
        Architecture("mipsel", 32, True, 8, ("mips", "mips64"), True),
        Architecture("mips", 32, False, 8, ("mips", "mips64"), True),
        Architecture("sparc64", 64, False, 43, ("sparc64",)),
        Architecture("alpha", 64, True, 0x9026, ("alpha",)),
        Architecture("hppa", 32, False, 15, ("parisc", "parisc64"), True),
        Architecture("ia64", 64, True, 50, ("ia64",)),
        Architecture("m68k", 32, False, 4, ("m68k",)),
        Architecture("sh4", 32, True, 42, ("sh4", "sh4a")),
    )
}


def of_machine(machine: str) -> str | None:
    """Name the architecture that a host of this uname machine installs by default."""
    for item in ARCHITECTURES.values():
        if machine in item.native:
            return item.name
    return None


def of_program(header: bytes) -> str | None:
    """Name the architecture of a program by its first 20 bytes, or None if it is no ELF file."""
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    bits, little = header[4] * 32, header[5] == 1
    machine = struct.unpack_from("<H" if little else ">H", header, 18)[0]
    for item in ARCHITECTURES.values():
        if (item.bits, item.little, item.machine) == (bits, little, machine):
            return item.name
    return None


class Handler(Record):
    """One handler of binfmt_misc (kernel: admin-guide/binfmt-misc)."""

    enabled: bool
    flags: str
    offset: int
    magic: bytes
    mask: bytes

    def takes(self, header: bytes) -> bool:
        """Tell whether a program that starts like this is given to the handler."""
        part = header[self.offset : self.offset + len(self.magic)]
        mask = self.mask or b"\xff" * len(self.magic)
        return len(part) == len(self.magic) > 0 and all(
            (a & m) == (b & m) for a, b, m in zip(part, self.magic, mask)
        )


def parse_handler(text: str) -> Handler:
    """Read one file of /proc/sys/fs/binfmt_misc."""
    fields = dict(line.partition(" ")[::2] for line in text.splitlines())
    return Handler(
        enabled="enabled" in fields,
        flags=fields.get("flags:", ""),
        offset=int(fields.get("offset", "0") or 0),
        magic=bytes.fromhex(fields.get("magic", "")),
        mask=bytes.fromhex(fields.get("mask", "")),
    )


def obstacle(arch: str, machine: str, handlers: Iterable[Handler]) -> str | None:
    """Say why this host cannot run programs of an architecture, or None if it can."""
    item = ARCHITECTURES[arch]
    if machine in item.native:
        return None
    fitting = [handler for handler in handlers if handler.takes(item.header)]
    if not fitting:
        return f"no binfmt_misc handler is registered for {arch}"
    enabled = [handler for handler in fitting if handler.enabled]
    if not enabled:
        return f"the binfmt_misc handler for {arch} is disabled"
    if not any("F" in handler.flags for handler in enabled):
        return (
            f"the binfmt_misc handler for {arch} lacks the F flag, "
            "so its interpreter is not found inside a jail"
        )
    return None
