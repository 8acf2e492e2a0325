# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that come from another host: by the network or out of a folder, and always verified."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _copy,
    _download,
    _images,
    _offer,
    _overlay,
    _pack,
    _procs,
    _rootfs,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Plan, State
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_NAME = re.compile(r"[0-9a-f]{64}")


def look(paths: Sequence[str]) -> Plan:
    """See which jails are not there yet."""
    wanted = [path for path in paths if _overlay.marker_of(_rootfs.real_parent(path)) is None]
    return Plan(result={"wanted": wanted})


class Sent(Record):
    """An image as the host that has it describes it; where it is to be on this one."""

    path: str
    name: str
    file: str
    url_path: str
    sha256: str
    size: int
    target: str


def _sent(item: Mapping[str, Any], table: Sequence[Mount]) -> Sent:
    """Check what came by way of Ansible from the other host."""
    path, name, file = _rootfs.real_parent(item["path"]), item["name"], item["file"]
    file = os.path.basename(file)
    if not _NAME.fullmatch(name) or not _offer.FILE.fullmatch(file):
        raise JailError(
            f"Cannot receive {name!r} ({file!r}): that is no image.",
            "Pass on what state: offered returned, as it is.",
        )
    target = f"{_images.store_for(path, table)}/{name}"
    return Sent(path, name, file, item["url_path"], item["sha256"], item["size"], target)


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
                archive = self._get(f"{new}.tar")
                _copy.make_top(f"{new}/root")
                _pack.unpack(archive, self.sent.file, _offer.PARTS, new)
                self._seal(new)
        except _download.Unreached as error:
            self.lost[self.sent.name] = str(error)

    def _get(self, download: str) -> str:
        """Get the packed image, and refuse it unless it is what was offered."""
        sent, archive = self.sent, download
        if self.folder:
            archive = f"{self.folder}/{sent.file}"
            digest = _pack.digest(archive)
        else:
            digest = _download.download(self.address, self.port, sent.url_path, download, sent.size)
        if digest != sent.sha256:
            raise JailError(
                f"Cannot receive the image {sent.name} from {self.source}: its SHA-256 is "
                f"{digest} and not {sent.sha256}.",
                "Nothing of it was kept. Find out who changed it on its way.",
            )
        return archive

    def _seal(self, new: str) -> None:
        """Make it an image of this host. That it is fresh was seen where it was offered."""
        plain = not any(os.path.islink(f"{new}/{name}") for name in _offer.PARTS)
        image = _images.read(new) if plain else None
        if image is None or _images.name_of(image.inputs, image.releases) != self.sent.name:
            raise JailError(
                f"Cannot receive the image {self.sent.name} from {self.source}: it describes "
                "itself as another one.",
                "See whether both hosts have the same version of this collection.",
            )
        _images.seal(image._replace(created=int(time.time()), seeded=True))


def _is_here(sent: Sent) -> str:
    """Say why an image need not be received."""
    if _overlay.marker_of(sent.path):
        return f"{sent.path} is complete"
    image = _images.read(sent.target)
    if image and _images.is_intact(image):
        return f"the image {sent.name[:12]} is here"
    return ""


def _state_of(targets: Sequence[str]) -> State:
    """Which images are there, as a diff shows it."""
    return {target: "an image\n" if _images.read(target) else "" for target in targets}


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
    lost.update({item.name: "nothing answers" for item in missing if item not in there})
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
