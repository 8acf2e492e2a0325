# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that come from another host: by the network or out of a folder, and always verified."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _build,
    _download,
    _image,
    _images,
    _jail,
    _overlay,
    _pack,
    _procs,
    _rootfs,
    _storage,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_NAME = re.compile(r"[0-9a-f]{64}")
_SILENT = "nothing answers"


class Sent(Record):
    """An image as the host that has it describes it; where it is to be on this one."""

    path: str
    name: str
    file: str
    url_path: str
    sha256: str
    size: int
    target: str
    shares: bool


def _sent(item: Mapping[str, Any], table: Sequence[Mount]) -> Sent:
    """Check what came by way of Ansible from the other host."""
    path, name, file = _rootfs.real_parent(item["path"]), item["name"], item["file"]
    file = os.path.basename(file)
    if not _NAME.fullmatch(name) or not _pack.FILE.fullmatch(file):
        raise JailError(
            f"Cannot receive {name!r} ({file!r}): that is no image.",
            "Pass on what state: offered returned, as it is.",
        )
    store = _images.store_for(path, table)
    target, shares = f"{store}/{name}", _images.shares(store, table)
    return Sent(path, name, file, item["url_path"], item["sha256"], item["size"], target, shares)


class Receive(Record):
    """Get an image, by network or out of a folder. If it cannot be reached, say so in `lost`."""

    sent: Sent
    address: str
    port: int
    folder: str
    lost: dict[str, str]

    def describe(self) -> str:
        return f"receive the image {self.sent.name[:12]} from {self.source}"

    @property
    def source(self) -> str:
        return self.folder or self.address

    def apply(self) -> None:
        try:
            with _images.keeping(self.sent.target) as new:
                if new is None:
                    # It was here already, and the other host has asked whether it is fresh.
                    _images.renew(self.sent.target, seeded=True)
                    return
                packed = f"{_image.PACKED}.tar.{_pack.end(self.sent.file)}"
                os.mkdir(f"{new}/{_image.PACKED}")
                self._get(f"{new}/{_image.PACKED}/{packed}")
                self._seal(new, packed)
        except _download.Unreached as error:
            self.lost[self.sent.name] = str(error)

    def _get(self, archive: str) -> None:
        """Get the packed image, and refuse it unless it is what was offered."""
        sent = self.sent
        if self.folder:
            digest = _pack.digest(f"{self.folder}/{sent.file}", archive)
        else:
            digest = _download.download(self.address, self.port, sent.url_path, archive, sent.size)
        if digest != sent.sha256:
            raise JailError(
                f"Cannot receive the image {sent.name} from {self.source}: its SHA-256 is "
                f"{digest} and not {sent.sha256}.",
                "Nothing of it was kept. Find out who changed it on its way.",
            )

    def _seal(self, new: str, packed: str) -> None:
        """Make it an image of this host. That it is fresh was seen where it was offered."""
        archive, description = f"{new}/{_image.PACKED}/{packed}", f"{new}/{_image.DESCRIPTION}"
        _pack.unpack_file(archive, _image.DESCRIPTION, new)
        plain = os.path.isfile(description) and not os.path.islink(description)
        image = _image.read(new) if plain else None
        if image is None or _images.name_of(image.inputs, image.releases) != self.sent.name:
            raise JailError(
                f"Cannot receive the image {self.sent.name} from {self.source}: it describes "
                "itself as another one.",
                "See whether both hosts have the same version of this collection.",
            )
        own = image._replace(created=int(time.time()), seeded=True, packed=packed)
        if self.sent.shares:
            # Jails share the blocks of a tree; elsewhere a tree would only be written once more.
            own = _build.unpack(own, new)
            _trees.remove(f"{new}/{_image.PACKED}")
        _image.seal(own)


class Make(Record):
    """Make a jail of an image that was to be received; not if it did not come, or is another's."""

    path: str
    inputs: dict[str, Any]
    parameters: dict[str, object]
    request: _archive.Request | None
    on_overlay: bool
    target: str = ""

    def describe(self) -> str:
        return f"make {self.path} from the image {os.path.basename(self.target)[:12]}"

    def apply(self) -> None:
        image = _image.read(self.target)
        if image and _images.matches(image, self.inputs):
            if self.request:
                _archive.judge(self.request, image.marker.release)
            _build.Clone(self.path, [image], self.parameters).apply()


def plan_for(
    make: Make, params: Mapping[str, Any], result: Callable[[], dict[str, object]]
) -> Plan:
    """Plan that a jail is made of what another host offers, or left to be made in another way."""
    given, table = params["image_from"], _procs.mount_table()
    offered = [_sent(item, table) for item in given["images"]]
    lost: dict[str, str] = {}
    operations: list[Operation] = []
    for sent in [item for item in offered if item.path == make.path]:
        if not _download.reaches(given["host"], given["port"]):
            lost[sent.name] = _SILENT
            continue
        operations += _overlay.clearing(make.path)
        operations.append(Receive(sent, given["host"], given["port"], "", lost))
        if not make.on_overlay:
            operations.append(make._replace(target=sent.target))
        store = os.path.dirname(sent.target)
        operations += _images.drops(store, _image.read(sent.target), int(params["image_keep"]))
    planned = any(isinstance(item, Make) for item in operations)
    return Plan(
        operations=operations,
        before=_jail.state(make.path, None),
        after=_jail.state(make.path, make.parameters if planned else None),
        observe=lambda: _jail.observe(make.path),
        result={"path": make.path, "unreached": lost},
        outcome=lambda: {"changed": bool(operations and not lost), "unreached": lost, **result()},
        reasons=[] if operations else [f"{make.path} has no image that could be received"],
    )


def _is_here(sent: Sent) -> str:
    """Say why an image need not be received."""
    if _storage.marker_of(sent.path):
        return f"{sent.path} is complete"
    image = _image.read(sent.target)
    if image and _images.is_received(image) and _image.is_intact(image):
        return f"the image {sent.name[:12]} is here"
    return ""


def _state_of(targets: Sequence[str]) -> State:
    """Which images are there, as a diff shows it."""
    return {target: "an image\n" if _image.read(target) else "" for target in targets}


def receive(params: Mapping[str, Any]) -> Plan:
    """Plan that this host gets the images that it needs."""
    folder, address, port = params["folder"] or "", params["from"] or "", params["port"]
    if not folder and not (address and port):
        raise JailError("Cannot receive images: neither a folder nor a host and its port is named.")
    # Jails of one kind have one image.
    table = _procs.mount_table()
    sent = {item.target: item for item in (_sent(one, table) for one in params["images"])}
    reasons = {target: _is_here(item) for target, item in sent.items()}
    missing = [item for target, item in sent.items() if not reasons[target]]
    lost: dict[str, str] = {}
    if folder:
        there = [item for item in missing if os.path.isfile(f"{folder}/{item.file}")]
    else:
        there = missing if missing and _download.reaches(address, port) else []
    lost.update({item.name: _SILENT for item in missing if item not in there})
    operations = [Receive(item, address, port, folder, lost) for item in there]
    targets = [item.target for item in there]

    def outcome() -> dict[str, object]:
        return {"changed": len(lost) < len(missing), "unreached": lost}

    return Plan(
        operations=operations,
        before=_state_of(targets),
        after=dict.fromkeys(targets, "an image\n"),
        observe=lambda: _state_of(targets),
        result={"unreached": lost},
        outcome=outcome,
        reasons=[reason for reason in reasons.values() if reason],
    )
