# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jails whose storage is an overlay: what they change lies beside them, the rest in a base image.

    PATH                        where the jail is mounted; an empty folder until then
    PATH.overlay/upper          what differs from the image, the jail's marker among it
    PATH.overlay/work           the kernel's own
    PATH.overlay/overlay.json   which image it is

The line in fstab mounts it at every boot, before what is to be mounted in it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _build,
    _files,
    _fstab,
    _identity,
    _image,
    _images,
    _jail,
    _kernel,
    _procs,
    _proof,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._marker import Marker
from ansible_collections.jaulas.chroot.plugins.module_utils._mountinfo import Mount
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import listed
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import partial
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, opened_folder
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

_DESCRIPTION = "overlay.json"
_LIMIT = 1 << 16
#: What ends a path in the options of an overlay (overlayfs in the kernel's documentation).
_SPECIAL = frozenset(',:\\"')


class Overlay(Record):
    """The storage of a jail as it is: its image, its marker, and whether it is mounted."""

    path: str
    image: str
    marker: Marker | None
    mounted: bool


def storage(path: str) -> str:
    """Where the storage of a jail lies."""
    return f"{path}{_image.OVERLAY}"


def leftovers(path: str) -> list[str]:
    """What runs that were cut short left beside a jail and beside its storage."""
    return [*_jail.leftovers(path), *_jail.leftovers(storage(path))]


def owner(storage_path: str) -> str | None:
    """The jail whose storage a folder is, or None if it is none."""
    there = os.path.lexists(f"{storage_path}/{_DESCRIPTION}")
    path = storage_path.removesuffix(_image.OVERLAY)
    return path if there and path != storage_path else None


def find(path: str, table: Sequence[Mount] | None = None) -> Overlay | None:
    """Look for the storage of a jail; what is not ours by its description is none."""
    try:
        with open(f"{storage(path)}/{_DESCRIPTION}", encoding="utf-8") as handle:
            image = str(json.loads(handle.read(_LIMIT))["image"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with Root(f"{storage(path)}/upper") as root:
        marker = _jail.marker(root)
    return Overlay(path, image, marker, is_mounted(path, table))


def marker_of(path: str) -> Marker | None:
    """The marker of a jail that is complete, also where it is an overlay that is not mounted."""
    overlay = find(path)
    return _jail.inspect(path)[1] or (overlay.marker if overlay else None)


def is_mounted(path: str, table: Sequence[Mount] | None = None) -> bool:
    """Tell whether the topmost mount at a path is the overlay with its storage."""
    mounts = _procs.mount_table() if table is None else table
    there = [mount for mount in mounts if mount.point == path]
    return bool(there) and f"upperdir={storage(path)}/upper" in there[-1].super_options


def _options(lower: str, store: str) -> tuple[str, ...]:
    for place in (lower, store):
        if _SPECIAL & set(place):
            raise JailError(
                f"Cannot make an overlay with {place}: the path holds a comma, colon, quote or "
                "backslash.",
                "Name a path without, or leave storage: directory.",
            )
    return (f"lowerdir={lower}", f"upperdir={store}/upper", f"workdir={store}/work")


def entry(path: str, image: str) -> _fstab.Entry:
    """The line of fstab that mounts a jail's storage."""
    lower = f"{image}/root"
    # systemd looks at the path only: without a word it would not wait for the image's file system.
    needs = f"x-systemd.requires-mounts-for={lower}"
    options = (*_options(lower, storage(path)), "nofail", needs, _fstab.MARK)
    return _fstab.Entry("overlay", path, "overlay", options)


def fstab_text(path: str, text: str, image: str | None) -> str:
    """The text of fstab with the line for a jail's storage, or without it."""
    lines = _fstab.parse(text)

    def belongs(item: _fstab.Entry) -> bool:
        return item.point == path and item.fstype == "overlay" and item.is_ours

    entries = [entry(path, image)] if image else []
    new = _fstab.replace(lines, belongs, entries)
    return text if new == lines else _fstab.render(new)


class WriteLine(Record):
    """Have the line for a jail's storage in fstab, or none where no image is named."""

    path: str
    fstab: str
    image: str | None

    def describe(self) -> str:
        return f"write {self.fstab}"

    def apply(self) -> None:
        # Held for a moment only: the bootstrap before it may have taken minutes.
        with _files.lock(os.path.realpath(self.fstab), f"writing {self.fstab}"):
            text = _files.read_text(self.fstab)
            new = fstab_text(self.path, text, self.image)
            if new != text:
                _files.replace_text(self.fstab, new)


class MakeOverlay(Record):
    """Make a jail's storage over the last of some images, and mount it, now and after every boot.

    Whenever the power fails, what fstab names is what the storage was made over.
    """

    path: str
    images: list[Image]
    parameters: dict[str, object]
    fstab: str
    replace: bool = False

    def describe(self) -> str:
        deed = "replace" if self.replace else "make"
        return f"{deed} {self.path} as an overlay of a base image, and write {self.fstab}"

    def apply(self) -> None:
        image, final = self.images[-1], storage(self.path)
        _options(image.root, final)
        with _build.making(final) as folder:
            new = f"{folder}/storage"
            os.mkdir(new, 0o711)
            for name, mode in (("upper", 0o755), ("work", 0o700), ("view", 0o700)):
                os.mkdir(f"{new}/{name}", mode)
            with open(f"{new}/{_DESCRIPTION}", "w", encoding="utf-8") as handle:
                json.dump({"image": image.path}, handle)
            with _images.using(image, f"an overlay of {image.path}"):
                _images.note(image, self.path)
                try:
                    self._furnish(image, new)
                    os.rmdir(f"{new}/view")
                    self._publish(new, final)
                finally:
                    self._correct_notes(os.path.dirname(image.path))
                mount(self.path, image.path)
                WriteLine(self.path, self.fstab, image.path).apply()

    def _correct_notes(self, store: str) -> None:
        """Take back what was noted and is not so, by this run or by one that was killed."""
        there = find(self.path)
        for image in _images.noted(store, self.path):
            if there is None or image != there.image:
                _images.forget(image, self.path)

    def _publish(self, new: str, final: str) -> None:
        """Give new storage its name, in the place of what has it."""
        if self.replace:
            _proof.prove_unused(self.path, "replace", kill=False, overlay=True)
            unmount(self.path)
            WriteLine(self.path, self.fstab, None).apply()
            _kernel.exchange(new, final)
        else:
            os.rename(new, final)
        # Before fstab says so.
        with opened_folder(os.path.dirname(final)) as fd:
            os.fsync(fd)

    def _furnish(self, image: Image, new: str) -> None:
        """Give it an identity and the marker, as seen through the overlay."""
        view = f"{new}/view"
        options = ",".join(_options(image.root, new))
        with Root(image.root) as root:
            keys = _identity.has_host_keys(root)

        def prepare() -> None:
            _kernel.mount("overlay", view, "overlay", frozenset(), options)
            _build.own(view, image, self.parameters)

        _identity.settle(view, keys, prepare)


class MountOverlay(Record):
    """Mount the storage of a jail that is whole, and just not mounted."""

    path: str
    image: str

    def describe(self) -> str:
        return f"mount the overlay on {self.path}"

    def apply(self) -> None:
        mount(self.path, self.image)


class RemoveOverlay(Record):
    """Unmount a jail's storage, and delete it."""

    path: str
    image: str

    def describe(self) -> str:
        return f"remove {self.path}"

    def apply(self) -> None:
        _proof.prove_unused(self.path, "remove", kill=False, overlay=True)
        unmount(self.path)
        with partial(storage(self.path)) as folder:
            os.rename(storage(self.path), f"{folder}/storage")
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(self.path)
            _images.forget(self.image, self.path)


def mount(path: str, image: str) -> None:
    """Mount a jail's storage where the jail is to be."""
    if not os.path.isdir(f"{image}/root"):
        raise JailError(
            f"Cannot mount {path}: its base image {image} is gone.",
            f"Restore it, or remove the jail; what was changed in it is in {storage(path)}/upper.",
        )
    os.makedirs(path, 0o755, exist_ok=True)
    options = ",".join(_options(f"{image}/root", storage(path)))
    try:
        _kernel.mount("overlay", path, "overlay", frozenset(), options)
        _kernel.set_propagation(path, "private")
    except OSError as error:
        raise JailError(
            f"Cannot mount an overlay on {path}: {error.strerror}.",
            "The kernel needs overlayfs, and the storage a local file system that is no overlay.",
        ) from None


def unmount(path: str) -> None:
    """Unmount a jail's storage, if it is mounted; nobody else may have it mounted still."""
    if is_mounted(path):
        try:
            _kernel.unmount(path)
        except OSError as error:
            raise Busy(
                f"Cannot unmount {path}: {error.strerror}.",
                "End what uses it and run again; nothing was unmounted by force.",
            ) from None
    still = [seen.describe() for seen in _procs.mounts_below(path, itself=True)]
    if still:
        raise Refused(
            f"Cannot delete the storage of {path}: it is mounted still: {listed(still)}.",
            "End the processes in these mount namespaces and run again.",
        )
