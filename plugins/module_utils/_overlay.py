# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make, mount, replace and remove jails whose storage is an overlay on a base image."""

from __future__ import annotations

import contextlib
import json
import os

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _build,
    _files,
    _identity,
    _images,
    _jail,
    _kernel,
    _procs,
    _proof,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import Busy, JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._operations import listed
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import ClearLeftover, partial
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root, opened_folder
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record
from ansible_collections.jaulas.chroot.plugins.module_utils._storage import (
    DESCRIPTION,
    Overlay,
    find,
    fstab_text,
    is_mounted,
    options,
    storage,
)


def _correct_notes(path: str, *stores: str) -> None:
    """Take back what is noted of a jail in some stores of images, and is not so."""
    there = find(path)
    for store in stores:
        for image in _images.noted(store, path):
            if there is None or image != there.image:
                _images.forget(image, path)


class ClearStorage(Record):
    """Delete the half storage of a jail, and what was noted for it."""

    path: str
    leftover: str

    def describe(self) -> str:
        return ClearLeftover(self.leftover).describe()

    def apply(self) -> None:
        _correct_notes(self.path, _images.store_for(self.path, _procs.mount_table()))
        ClearLeftover(self.leftover).apply()


def clearing(path: str) -> list[Operation]:
    """What clears all that runs that were cut short left beside a jail."""
    return [
        *map(ClearLeftover, _jail.leftovers(path)),
        *(ClearStorage(path, name) for name in _jail.leftovers(storage(path))),
    ]


class WriteLine(Record):
    """Have the line for a jail's storage in fstab, or none where no image is named.

    A line that is asleep keeps its place and mounts nothing.
    """

    path: str
    fstab: str
    image: str | None
    asleep: bool = False

    def describe(self) -> str:
        return f"write {self.fstab}"

    def apply(self) -> None:
        # Held for a moment only: the bootstrap before it may have taken minutes.
        with _files.lock(os.path.realpath(self.fstab), f"writing {self.fstab}"):
            text = _files.read_text(self.fstab)
            more = ("noauto",) if self.asleep else ()
            new = fstab_text(self.path, text, self.image, *more)
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
        options(image.root, final)
        with _build.making(final) as folder:
            new = f"{folder}/storage"
            os.mkdir(new, 0o711)
            for name, mode in (("upper", 0o755), ("work", 0o700), ("view", 0o700)):
                os.mkdir(f"{new}/{name}", mode)
            with open(f"{new}/{DESCRIPTION}", "w", encoding="utf-8") as handle:
                json.dump({"image": image.path}, handle)
            with _images.using(image, f"an overlay of {image.path}"):
                _images.note(image, self.path)
                old = find(self.path)
                try:
                    self._furnish(image, new)
                    os.rmdir(f"{new}/view")
                    if self.replace and old:
                        self._exchange(new, final, old)
                    else:
                        os.rename(new, final)
                    # Before fstab says so.
                    with opened_folder(os.path.dirname(final)) as fd:
                        os.fsync(fd)
                finally:
                    images = {image.path, old.image if old else image.path}
                    _correct_notes(self.path, *{os.path.dirname(path) for path in images})
                mount(self.path, image.path)
                WriteLine(self.path, self.fstab, image.path).apply()

    def _exchange(self, new: str, final: str, old: Overlay) -> None:
        """Put new storage in the place of what is there; if that fails, all is as it was."""
        _proof.prove_unused(self.path, "replace", kill=False, overlay=True)
        WriteLine(self.path, self.fstab, old.image, asleep=True).apply()
        try:
            unmount(self.path)
            _kernel.exchange(new, final)
        except BaseException:
            WriteLine(self.path, self.fstab, old.image).apply()
            if old.mounted and not is_mounted(self.path):
                mount(self.path, old.image)
            raise

    def _furnish(self, image: Image, new: str) -> None:
        """Give it an identity and the marker, as seen through the overlay."""
        view = f"{new}/view"
        settings = ",".join(options(image.root, new))
        with Root(image.root) as root:
            keys = _identity.has_host_keys(root)

        def prepare() -> None:
            _kernel.mount("overlay", view, "overlay", frozenset(), settings)
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
            _images.forget(self.image, self.path)
            # What lies where it was mounted is not ours.
            with contextlib.suppress(OSError):
                os.rmdir(self.path)


def mount(path: str, image: str) -> None:
    """Mount a jail's storage where the jail is to be."""
    if not os.path.isdir(f"{image}/root"):
        raise JailError(
            f"Cannot mount {path}: its base image {image} is gone.",
            f"Restore it, or remove the jail; what was changed in it is in {storage(path)}/upper.",
        )
    os.makedirs(path, 0o755, exist_ok=True)
    settings = ",".join(options(f"{image}/root", storage(path)))
    try:
        _kernel.mount("overlay", path, "overlay", frozenset(), settings)
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
    copies = _procs.mounts_with(f"upperdir={storage(path)}/upper")
    still = {seen.describe() for seen in (*_procs.mounts_below(path, itself=True), *copies)}
    if still:
        raise Refused(
            f"Cannot delete the storage of {path}: it is mounted still: {listed(sorted(still))}.",
            "Unmount it there, or end the processes in these mount namespaces, and run again.",
        )
