# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some names of a folder as one compressed file, and back, with all that tar knows of them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import _engine, _process, _streams
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError

#: What compresses, by the end of a file's name: the fast levels, as no network waits for the best.
_PROGRAMS = {"zst": "zstd -T0 -3", "gz": "gzip -1"}
_ENDS = {"zstd": "zst", "gzip": "gz"}
#: The name of a packed image.
FILE = re.compile(rf"[0-9a-f]{{64}}\.tar\.({'|'.join(_PROGRAMS)})")
#: A colon in the name of an archive names another host otherwise. Access lists are among the
#: extended attributes: tar's own option for them would cost a call for each file that has none.
_ALWAYS = ("--force-local", "--numeric-owner", "--xattrs", "--xattrs-include=*")
_CHUNK = 1 << 20


def choose(compression: str) -> str:
    """The end of an archive's name for a kind of compression: `auto` is the fastest there is."""
    if compression == "auto":
        compression = "zstd" if _engine.find("zstd") else "gzip"
    return _ENDS[compression]


def end(archive: str) -> str:
    """How an archive is compressed: the end of its name."""
    return archive.rpartition(".")[2]


def pack(folder: str, names: Sequence[str], archive: str, kind: str) -> None:
    """Pack names of a folder into a new file, compressed as the end of the name `kind` says."""
    what = f"Cannot pack {folder}"
    _tar(what, archive, kind, ["--create", f"--directory={folder}", "--", *names])


def unpack(archive: str, name: str, folder: str, *options: str) -> None:
    """Unpack a name, and what is below it, into a folder; anything else is not looked at.

    tar by itself neither leaves the folder by `..` or a slash, nor follows a link of the archive.
    """
    what = f"Cannot unpack an image into {folder}"
    always = ["--extract", "--same-owner", "--same-permissions", f"--directory={folder}"]
    _tar(what, archive, archive, [*always, *options, "--", name])


def unpack_file(archive: str, name: str, folder: str) -> None:
    """Unpack a file that is among the first of an archive, and read no further."""
    unpack(archive, name, folder, "--occurrence=1")


def _tar(what: str, archive: str, kind: str, rest: list[str]) -> None:
    program = _PROGRAMS[end(kind)]
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


def digest(path: str, copy: str = os.devnull) -> str:
    """The SHA-256 of a file; what was digested is what a copy holds."""
    total = hashlib.sha256()
    with open(path, "rb") as handle, open(copy, "wb") as target:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            total.update(chunk)
            target.write(chunk)
    return total.hexdigest()
