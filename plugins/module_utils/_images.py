# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which base images a host has, which of them may be used, and until when they stay."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _files,
    _image,
    _jail,
    _kernel,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount, covering
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import ClearLeftover, partial
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

STORE = "/var/lib/jaulas.chroot/images"
#: Where files can share blocks, images lie on the file system of their jails: a copy costs nothing.
_SHARING = ("btrfs", "xfs", "bcachefs", "zfs")
_ON_OTHERS = ".jaulas.chroot/images"
#: Parameters of a jail that say nothing of what is in its image.
_OF_HOST = ("engine", "keyring", "storage")
#: Seconds for which an image from another host, which has asked the archive, is used in any case.
_RECEIVED = 3600
#: Seconds to wait for whoever keeps the same image at the same time.
_PATIENCE = 600


def kind_of(parameters: Mapping[str, object]) -> dict[str, object]:
    """What of a jail's parameters decides which images it can be made of."""
    return {name: value for name, value in parameters.items() if name not in _OF_HOST}


def name_of(inputs: Mapping[str, Any], releases: Mapping[str, str]) -> str:
    """Name an image by all that went into it."""
    text = json.dumps([inputs, releases], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def store_for(jail: str, table: Sequence[Mount]) -> str:
    """Name the store for the images of a jail: on its own file system where that pays."""
    mount = covering(os.path.dirname(jail), table)
    usual = covering(STORE, table)
    if mount is None or mount.fstype not in _SHARING:
        return STORE
    if usual is not None and usual.device == mount.device:
        return STORE
    return f"{mount.point.rstrip('/')}/{_ON_OTHERS}"


def shares(store: str, table: Sequence[Mount]) -> bool:
    """Tell whether files of a store can share their blocks with the jails made of them."""
    mount = covering(store, table)
    return mount is not None and mount.fstype in _SHARING


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


def _names(store: str) -> list[str]:
    """What is in a store; nothing, where there is none yet."""
    try:
        return os.listdir(store)
    except (FileNotFoundError, NotADirectoryError):
        return []


def listed(store: str) -> list[Image]:
    """The images of a store, the youngest first. What is half-written has no such name."""
    found = [_image.read(f"{store}/{name}") for name in _names(store) if "." not in name]
    return sorted(filter(None, found), key=lambda image: -image.created)


def matches(image: Image, inputs: Mapping[str, Any]) -> bool:
    """Tell whether an image was made from the same. What a host has counts where it was made."""
    if image.inputs["parameters"] != inputs["parameters"]:
        return False
    return image.seeded or image.inputs == inputs


def find(
    store: str,
    fits: Callable[[Image], bool],
    max_age: float,
    release: Callable[[str], str | None],
) -> Image | None:
    """Find the youngest image that may be used: one that fits, is fresh, and is as it was.

    max_age is in seconds; release tells the digest of the Release file at an address as it is now.
    """
    for image in filter(fits, listed(store)):
        if is_fresh(image, max_age, release) and _image.is_intact(image):
            return image
    return None


def _age(image: Image) -> float:
    return time.time() - image.created


def is_received(image: Image) -> bool:
    """Tell whether an image has come from another host not long ago."""
    return image.seeded and 0 <= _age(image) < _RECEIVED


def is_fresh(image: Image, max_age: float, release: Callable[[str], str | None]) -> bool:
    """Tell whether an image is young, or the archive says now what it said then."""
    if is_received(image):
        return True
    # One from the future tells of a clock that was wrong, and of nothing else.
    return 0 <= _age(image) < max_age or _is_current(image, release)


def _is_current(image: Image, release: Callable[[str], str | None]) -> bool:
    """Tell whether the archive says what it said; those of other hosts name what is asked here."""
    return bool(image.releases) and all(
        address.startswith(("http://", "https://")) and release(address) == digest
        for address, digest in image.releases.items()
    )


def sweep(store: str) -> None:
    """Delete what killed runs have left of images: the kernel has freed their locks."""
    names = [name.partition(_jail.PARTIAL) for name in _names(store)]
    for path in {f"{store}/{name}" for name, half, _chance in names if half}:
        with _files.last_one(path) as alone:
            for leftover in _jail.leftovers(path) if alone else []:
                ClearLeftover(leftover).apply()


@contextlib.contextmanager
def keeping(path: str, fits: Callable[[Image], bool] = _image.is_intact) -> Iterator[str | None]:
    """A private folder for a new image; it takes its place when the block has sealed it.

    None where there is an image of that name already that fits: the block leaves it as it is.
    """
    prepare(os.path.dirname(path))
    sweep(os.path.dirname(path))
    with _files.lock(path, f"keeping the image {path}", _PATIENCE):
        there = _image.read(path)
        if there and fits(there):
            yield None
            return
        jails = _image.jails_of(path)
        if jails:
            raise Refused(
                f"Cannot replace the image {path}: overlays are made of it, and it has changed.",
                "Remove these jails first.",
                jails=jails,
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


def renew(path: str, seeded: bool) -> None:
    """Let an image count as new: it is the same as what was just made, or what was just offered."""
    image = _image.read(path)
    if image:
        new = image._replace(created=int(time.time()), seeded=seeded)
        _files.replace_text(f"{path}/{_image.DESCRIPTION}", new.sealed().render())


@contextlib.contextmanager
def using(image: Image, doing: str) -> Iterator[None]:
    """Keep an image from being dropped while the block runs, and remember that it was used."""
    with _files.shared(image.path, doing, patience=_PATIENCE):
        try:
            os.utime(f"{image.path}/{_image.DESCRIPTION}")
        except FileNotFoundError:
            raise JailError(
                f"Cannot use the image {image.path}: it is gone.", "Run again."
            ) from None
        yield


def note(image: Image, jail: str) -> None:
    """Write down that a jail needs an image for as long as it exists."""
    with open(_note(image.path, jail), "w", encoding="utf-8"):
        pass


def noted(store: str, jail: str) -> list[str]:
    """The images of a store that a jail is noted to need."""
    paths = [f"{store}/{name}" for name in _names(store)]
    return [path for path in paths if jail in _image.jails_of(path)]


def forget(path: str, jail: str) -> None:
    """Take note() back, whether or not the image is still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_note(path, jail))


def _note(path: str, jail: str) -> str:
    return f"{path}/{_image.JAILS}/{quote(jail, safe='')}"


def superfluous(images: list[Image], keep: int) -> list[Image]:
    """List the images beyond the number to keep, the longest unused first; no jail needs them."""
    spare = sorted(images, key=lambda image: image.used)[: max(0, len(images) - keep)]
    return [image for image in spare if not image.jails()]


def drops(store: str, used: Image | None, keep: int) -> list[DropImage]:
    """What lets as many images stay as are to be kept, the one that is used among them."""
    present = [other for other in listed(store) if other != used]
    # One more is there afterwards: the one that is used, or the new one.
    return [DropImage(other) for other in superfluous(present, max(0, keep - 1))]


class DropImage(Record):
    """Delete an image, unless somebody is just copying it, or has come to need it."""

    image: Image

    def describe(self) -> str:
        return f"drop the image {os.path.basename(self.image.path)[:12]}"

    def apply(self) -> None:
        path = self.image.path
        with _files.last_one(path) as alone:
            # The same name may be that of a newer one by now.
            if alone and _image.read(path) == self.image and not self.image.jails():
                with partial(path) as folder:
                    os.rename(path, f"{folder}/image")
