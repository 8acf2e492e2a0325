# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base images: finished roots that are kept on the host, so that the next jail is a copy.

An image is a folder in a store of root's alone, named by the digest of all that went into it:

    DIGEST/image.json     what it was made from, and the seal
    DIGEST/root           the system, as the engine left it, without its logs
    DIGEST/jails/         an empty file for each jail whose storage is an overlay of the image

The seal covers image.json and the state of every file in the root: an image that anybody has
changed is not used again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _copy,
    _files,
    _jail,
    _kernel,
    _marker,
    _trees,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import ClearLeftover, partial
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, is_inside
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

STORE = "/var/lib/jaulas.chroot/images"
#: What the name of a jail's storage adds to the jail's own, where it is an overlay.
OVERLAY = ".overlay"
#: Where files can share blocks, images lie on the file system of their jails: a copy costs nothing.
_SHARING = ("btrfs", "xfs", "bcachefs", "zfs")
_ON_OTHERS = ".jaulas.chroot/images"
_DESCRIPTION = "image.json"
_JAILS = "jails"
_LIMIT = 1 << 18
_FORMAT = 1
#: Parameters of a jail that say nothing of what is in its image.
_OF_HOST = ("engine", "keyring", "storage")
#: Seconds for which an image from another host, which has asked the archive, is used in any case.
_RECEIVED = 3600
#: Seconds to wait for whoever keeps the same image at the same time.
_PATIENCE = 600


class Image(Record):
    """One image as it describes itself.

    inputs is what was asked for and what the host had for it; releases maps the address of each
    archive's Release file to the digest of what it said; seeded tells that another host made it.
    """

    path: str
    inputs: dict[str, Any]
    releases: dict[str, str]
    marker: _marker.Marker
    created: int
    seal: str = ""
    seeded: bool = False

    @property
    def root(self) -> str:
        return f"{self.path}/root"

    @property
    def used(self) -> float:
        """When a jail was last made of it, in seconds since 1970."""
        return os.stat(f"{self.path}/{_DESCRIPTION}").st_mtime

    def render(self) -> str:
        """The text of its description."""
        content = {
            "format": _FORMAT,
            "inputs": self.inputs,
            "releases": self.releases,
            "marker": json.loads(self.marker.render()),
            "created": self.created,
            "seeded": self.seeded,
            "seal": self.seal,
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def sealed(self) -> Image:
        """The same with the seal that fits it as it is."""
        bare = self._replace(seal="").render()
        text = f"{bare}{_copy.fingerprint(self.root)}"
        return self._replace(seal=hashlib.sha256(text.encode()).hexdigest())

    def jails(self) -> list[str]:
        """The jails whose storage is an overlay of this image, as far as it is still there."""
        with contextlib.suppress(FileNotFoundError):
            noted = sorted(unquote(name) for name in os.listdir(f"{self.path}/{_JAILS}"))
            return [jail for jail in noted if os.path.lexists(f"{jail}{OVERLAY}")]
        return []


def kind_of(parameters: Mapping[str, object]) -> dict[str, object]:
    """What of a jail's parameters decides which images it can be made of."""
    return {name: value for name, value in parameters.items() if name not in _OF_HOST}


def name_of(inputs: Mapping[str, Any], releases: Mapping[str, str]) -> str:
    """Name an image by all that went into it."""
    text = json.dumps([inputs, releases], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _mount_of(path: str, table: Sequence[Mount]) -> Mount | None:
    around = [item for item in table if item.point == path or is_inside(path, item.point)]
    # Of those at one point, the last one covers the others.
    return max(reversed(around), key=lambda item: len(item.point), default=None)


def store_for(jail: str, table: Sequence[Mount]) -> str:
    """Name the store for the images of a jail: on its own file system where that pays."""
    mount = _mount_of(os.path.dirname(jail), table)
    usual = _mount_of(STORE, table)
    if mount is None or mount.fstype not in _SHARING:
        return STORE
    if usual is not None and usual.device == mount.device:
        return STORE
    return f"{mount.point.rstrip('/')}/{_ON_OTHERS}"


def prepare(store: str) -> None:
    """Make a store; refuse one that somebody else could write to."""
    above = os.path.dirname(store)
    for folder in (above, store):
        os.makedirs(os.path.dirname(folder), 0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        status = os.lstat(folder)
        if status.st_uid != 0 or status.st_mode & 0o170022 != 0o040000:
            raise Refused(
                f"Cannot keep images in {folder}: it is not a folder of root's alone.",
                "Remove it, or set its owner and mode, and run again.",
            )


def read(path: str) -> Image | None:
    """Read the description of an image, or None if there is none that can be understood."""
    try:
        with open(f"{path}/{_DESCRIPTION}", encoding="utf-8") as handle:
            content = json.loads(handle.read(_LIMIT))
        marker = _marker.parse(json.dumps(content["marker"]).encode())
        if content["format"] != _FORMAT or marker is None:
            return None
        return Image(
            path=path,
            inputs=dict(content["inputs"]),
            releases=dict(content["releases"]),
            marker=marker,
            created=int(content["created"]),
            seal=str(content["seal"]),
            seeded=bool(content["seeded"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def listed(store: str) -> list[Image]:
    """The images of a store, the youngest first. What is half-written has no such name."""
    try:
        names = os.listdir(store)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [read(f"{store}/{name}") for name in names if "." not in name]
    return sorted(filter(None, found), key=lambda image: -image.created)


def is_intact(image: Image) -> bool:
    """Tell whether an image is what it was when it was sealed."""
    try:
        return image.sealed().seal == image.seal
    except OSError:
        return False


def describe(image: Image) -> dict[str, object]:
    """An image as a module returns it."""
    return {
        "name": os.path.basename(image.path),
        "path": image.path,
        "parameters": image.inputs.get("parameters"),
        "engine": image.marker.engine,
        "release": image.marker.release,
        "created": image.marker.created,
        "used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image.used)),
        "size": _trees.size(image.path),
        "intact": is_intact(image),
        "seeded": image.seeded,
        "overlays": image.jails(),
    }


def matches(image: Image, inputs: Mapping[str, Any]) -> bool:
    """Tell whether an image was made from the same. What a host has counts where it was made."""
    if image.inputs["parameters"] != inputs["parameters"]:
        return False
    return image.seeded or image.inputs == inputs


def find(
    store: str,
    inputs: Mapping[str, Any],
    max_age: float,
    release: Callable[[str], str | None],
) -> Image | None:
    """Find an image that may be used: made from the same, fresh, and as it was.

    max_age is in seconds; release tells the digest of the Release file at an address as it is now.
    """
    for image in listed(store):
        if not matches(image, inputs):
            continue
        if is_fresh(image, max_age, release) and is_intact(image):
            return image
    return None


def is_fresh(image: Image, max_age: float, release: Callable[[str], str | None]) -> bool:
    """Tell whether an image is young, or the archive says now what it said then."""
    if image.seeded:
        max_age = max(max_age, _RECEIVED)
    return time.time() - image.created < max_age or _is_current(image, release)


def _is_current(image: Image, release: Callable[[str], str | None]) -> bool:
    return bool(image.releases) and all(
        release(address) == digest for address, digest in image.releases.items()
    )


def seal(image: Image) -> None:
    """Describe a root that is complete, and seal it. It must not change from here on."""
    os.makedirs(f"{image.path}/{_JAILS}", exist_ok=True)
    with open(f"{image.path}/{_DESCRIPTION}", "w", encoding="utf-8") as handle:
        handle.write(image.sealed().render())


@contextlib.contextmanager
def keeping(path: str) -> Iterator[str]:
    """A private folder for a new image; it takes its place when the block has sealed it."""
    prepare(os.path.dirname(path))
    with _files.lock(path, f"keeping the image {path}", _PATIENCE):
        for leftover in _jail.leftovers(path):
            ClearLeftover(leftover).apply()
        there = read(path)
        if there and there.jails():
            raise Refused(
                f"Cannot replace the image {path}: overlays are made of it, and it has changed.",
                "Remove these jails first.",
                jails=there.jails(),
            )
        with partial(path) as folder:
            new = f"{folder}/image"
            os.mkdir(new, 0o700)
            yield new
            with Root(new) as root:
                _kernel.sync_filesystem(root.fd)
            if os.path.lexists(path):
                _kernel.exchange(new, path)
            else:
                os.rename(new, path)


@contextlib.contextmanager
def using(image: Image, doing: str) -> Iterator[None]:
    """Keep an image from being dropped while the block runs, and remember that it was used."""
    with _files.shared(image.path, doing):
        try:
            os.utime(f"{image.path}/{_DESCRIPTION}")
        except FileNotFoundError:
            raise JailError(
                f"Cannot use the image {image.path}: it is gone.", "Run again."
            ) from None
        yield


def note(image: Image, jail: str) -> None:
    """Write down that a jail needs an image for as long as it exists."""
    with open(f"{image.path}/{_JAILS}/{quote(jail, safe='')}", "w", encoding="utf-8"):
        pass


def forget(path: str, jail: str) -> None:
    """Take note() back, whether or not the image is still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}/{_JAILS}/{quote(jail, safe='')}")


def superfluous(images: list[Image], keep: int) -> list[Image]:
    """List the images beyond the number to keep, the longest unused first; no jail needs them."""
    spare = sorted(images, key=lambda image: image.used)[: max(0, len(images) - keep)]
    return [image for image in spare if not image.jails()]


class DropImage(Record):
    """Delete an image, unless somebody is just copying it."""

    image: Image

    def describe(self) -> str:
        return f"drop the image {os.path.basename(self.image.path)[:12]}"

    def apply(self) -> None:
        path = self.image.path
        with _files.last_one(path) as alone:
            if alone and os.path.lexists(path):
                with partial(path) as folder:
                    os.rename(path, f"{folder}/image")
