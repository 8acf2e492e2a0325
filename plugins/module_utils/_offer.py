# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that a host offers to others: packed once, served for a while, and withdrawn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _image,
    _images,
    _pack,
    _procs,
    _rootfs,
    _serve,
    _storage,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import partial
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

#: Where images lie packed while they are offered.
OFFERED = "/var/lib/jaulas.chroot/offered"
#: What of an image travels: not which jails the other host has made of it.
_PARTS = (_image.DESCRIPTION, _image.ROOT)


def _packed() -> list[str]:
    return (
        sorted(filter(_pack.FILE.fullmatch, os.listdir(OFFERED))) if os.path.isdir(OFFERED) else []
    )


def _state(names: Iterable[str]) -> State:
    """What is offered, as a diff shows it."""
    return {OFFERED: "".join(f"{name}\n" for name in sorted(names))}


class Pack(Record):
    """Make one file of an image."""

    image: Image
    file: str

    @property
    def name(self) -> str:
        return os.path.basename(self.image.path)

    @property
    def basename(self) -> str:
        return os.path.basename(self.file)

    def describe(self) -> str:
        return f"pack the image {self.name[:12]}"

    def apply(self) -> None:
        _images.prepare(OFFERED)
        new = f"{self.file}.new"
        if os.path.lexists(new):
            os.unlink(new)
        # The end of the name tells how to compress.
        with _images.using(self.image, f"packing {self.image.path}"):
            if not self.image.packed:
                _pack.pack(self.image.path, _PARTS, new, self.file)
            elif _pack.end(self.image.packed) == _pack.end(self.file):
                shutil.copyfile(self.image.archive, new)
            else:
                self._pack_again(new)
        os.rename(new, self.file)

    def _pack_again(self, new: str) -> None:
        """Pack in another way what came packed from another host."""
        with partial(self.file) as folder:
            for name in _PARTS:
                _pack.unpack(self.image.archive, name, folder)
            _pack.pack(folder, _PARTS, new, self.file)


class Serve(Record):
    """Serve all that is packed."""

    port: int
    timeout: int

    def describe(self) -> str:
        return "serve the packed images"

    def apply(self) -> None:
        _serve.stop(OFFERED)
        _serve.start(OFFERED, _packed(), self.port, self.timeout)


def _image_of(path: str, params: Mapping[str, Any]) -> Image | None:
    """The youngest image that a jail like this one would be made of, here and now."""
    marker = _storage.marker_of(path)
    if marker is None:
        return None
    kind = _images.kind_of(marker.parameters)
    return _images.find(
        _images.store_for(path, _procs.mount_table()),
        lambda image: image.inputs["parameters"] == kind,
        params["image_max_age"],
        lambda address: _archive.release_digest(address, params["http_proxy"]),
    )


def _file_of(image: Image, compression: str) -> str:
    """Where an image is packed; one that is packed already stays so, unless told otherwise."""
    as_it_is = image.packed and compression == "auto"
    end = _pack.end(image.packed) if as_it_is else _pack.choose(compression)
    return f"{OFFERED}/{os.path.basename(image.path)}.tar.{end}"


def offer(params: Mapping[str, Any]) -> Plan:
    """Plan that the images of some jails are packed and served."""
    port = params["port"]
    seen = {path: _image_of(_rootfs.real_parent(path), params) for path in params["paths"]}
    found = {
        path: Pack(image, _file_of(image, params["compression"]))
        for path, image in seen.items()
        if image
    }
    packed = _packed()
    packs = {pack.file: pack for pack in found.values() if pack.basename not in packed}
    operations: list[Operation] = list(packs.values())
    server = _serve.running(OFFERED)
    serves = server and server.names == packed and port in (0, server.port)
    if found and (packs or not serves):
        operations.append(Serve(port, params["timeout"]))
    known = [{"path": path, "name": pack.name} for path, pack in found.items()]
    return Plan(
        operations=operations,
        before=_state(packed),
        after=_state({*packed, *(pack.basename for pack in packs.values())}),
        observe=lambda: _state(_packed()),
        result={"images": known},
        outcome=lambda: _told(found) if found else {},
        reasons=[
            f"{path} has no image that is fresh and as it was made"
            for path, image in seen.items()
            if not image
        ],
    )


def _told(found: Mapping[str, Pack]) -> dict[str, object]:
    """What those who are to receive the images must know."""
    server = _serve.running(OFFERED)
    if server is None:
        raise JailError("Cannot offer images: what served them has ended.", "Raise `timeout`.")
    digests = {pack.file: _pack.digest(pack.file) for pack in found.values()}
    images = [
        {
            "path": path,
            "name": pack.name,
            "file": pack.file,
            "url_path": server.url_path(pack.basename),
            "sha256": digests[pack.file],
            "size": os.path.getsize(pack.file),
        }
        for path, pack in found.items()
    ]
    return {"images": images, "port": server.port}


class Withdraw(Record):
    """End the server and delete what was packed."""

    def describe(self) -> str:
        return "withdraw the packed images"

    def apply(self) -> None:
        _serve.stop(OFFERED)
        _trees.remove(OFFERED)


def withdraw() -> Plan:
    """Plan that nothing is offered any more."""
    return Plan(
        operations=[Withdraw()] if os.path.lexists(OFFERED) else [],
        before=_state(_packed()),
        after=_state([]),
        observe=lambda: _state(_packed()),
    )
