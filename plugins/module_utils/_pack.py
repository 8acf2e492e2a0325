# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some names of a folder as one compressed file, and back, with all that tar knows of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import _engine, _process, _streams
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

#: What compresses, by the end of a file's name: the fast levels, as no network waits for the best.
_PROGRAMS = {"zst": "zstd -T0 -3", "gz": "gzip -1"}
_ENDS = {"zstd": "zst", "gzip": "gz"}
ENDS = tuple(_PROGRAMS)
#: A colon in the name of an archive names another host otherwise.
_ALWAYS = ("--force-local", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*")
_CHUNK = 1 << 20


def choose(compression: str) -> str:
    """The end of an archive's name for a kind of compression: `auto` is the fastest there is."""
    if compression == "auto":
        compression = "zstd" if _engine.find("zstd") else "gzip"
    return _ENDS[compression]


def pack(folder: str, names: Sequence[str], archive: str, kind: str) -> None:
    """Pack names of a folder into a new file, compressed as the end of the name `kind` says."""
    what = f"Cannot pack {folder}"
    _tar(what, archive, kind, ["--create", f"--directory={folder}", "--", *names])


def unpack(archive: str, kind: str, names: Sequence[str], folder: str) -> None:
    """Unpack these names, and what is below them, into a folder; anything else is not looked at.

    tar by itself neither leaves the folder by `..` or a slash, nor follows a link of the archive.
    """
    what = f"Cannot unpack an image into {folder}"
    options = ["--extract", "--same-owner", "--same-permissions", f"--directory={folder}"]
    _tar(what, archive, kind, [*options, "--", *names])


def _tar(what: str, archive: str, kind: str, rest: list[str]) -> None:
    program = _PROGRAMS[kind.rpartition(".")[2]]
    name = program.split()[0]
    if _engine.find(name) is None:
        raise JailError(
            f"{what}: {name} is not installed.",
            "Install it (the role jail_host does), or offer the image with compression: gzip.",
        )
    argv = ["tar", f"--file={archive}", f"--use-compress-program={program}", *_ALWAYS, *rest]
    outcome = _process.contain(_streams.Command(argv, _engine.ENV), lambda: None)
    if outcome.rc != 0:
        said = outcome.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"]
        raise JailError(f"{what}: tar says {said[0]!r}.", "See whether the disk is full.")


def digest(path: str) -> str:
    """The SHA-256 of a file."""
    total = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            total.update(chunk)
    return total.hexdigest()
