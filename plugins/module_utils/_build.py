# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a jail beside its final name and publish it in one step: whole or absent."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _copy,
    _engine,
    _finish,
    _identity,
    _image,
    _images,
    _kernel,
    _marker,
    _pack,
    _proof,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Engine, Recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._partial import partial
from ansible_collections.jaulas.chroot.plugins.module_utils._paths import Root
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record


class Keeping(Record):
    """Where the image of a bootstrap is to be kept, and by what it will be found."""

    store: str
    inputs: dict[str, object]
    max_age: float


@contextlib.contextmanager
def making(path: str) -> Iterator[str]:
    """A partial folder for something that is to appear at a path; without it, nothing is left."""
    missing = _first_missing(os.path.dirname(path))
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with partial(path) as folder:
            yield folder
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise JailError(f"Cannot make {path}: {error.strerror}{where}.") from None
    finally:
        if not os.path.lexists(path):
            _remove_empty(missing, path)


def publish(root: str, path: str, replace: bool) -> None:
    """Give a complete system its name."""
    if replace:
        # Minutes may have passed since it was planned.
        _proof.prove_unused(path, "replace", kill=False)
        # The old tree takes the new one's place in the partial folder and goes with it.
        _kernel.exchange(root, path)
    else:
        # Onto nothing or onto an empty folder; rename(2) refuses anything else.
        os.rename(root, path)


class Bootstrap(Record):
    """Make a jail out of an archive; replaces the one that is there if `replace` is set.

    keeping says that an image is kept of it; what stands in the way of that goes to warnings.
    """

    path: str
    recipe: Recipe
    engine: Engine
    parameters: dict[str, object]
    warnings: list[str]
    replace: bool = False
    keeping: Keeping | None = None

    def describe(self) -> str:
        deed = "replace" if self.replace else "bootstrap"
        return f"{deed} {self.path} with {self.recipe.suite} by {self.engine.name}"

    def apply(self) -> None:
        with _bootstrapped(self.path, self.recipe, self.engine) as (tree, finished):
            marker = new_marker(self.engine, self.parameters, finished)
            if self.keeping and (finished.releases or self.keeping.max_age):
                # The jail does not depend on the image, and is made without it if need be.
                try:
                    keep_image(self.keeping, marker, finished.releases, tree)
                except (JailError, OSError) as error:
                    self.warnings.append(f"No image of {self.path} is kept: {error}")
            with Root(tree) as root:
                _finish.mark(root, marker)
            publish(tree, self.path, self.replace)


class MakeImage(Record):
    """Bootstrap an image only, for a jail that is an overlay of it. It is added to `made`."""

    path: str
    recipe: Recipe
    engine: Engine
    parameters: dict[str, object]
    keeping: Keeping
    made: list[Image]

    def describe(self) -> str:
        return f"bootstrap an image for {self.path} with {self.recipe.suite} by {self.engine.name}"

    def apply(self) -> None:
        with _bootstrapped(self.path, self.recipe, self.engine) as (tree, finished):
            marker = new_marker(self.engine, self.parameters, finished)
            self.made.append(keep_image(self.keeping, marker, finished.releases, tree))


@contextlib.contextmanager
def _bootstrapped(
    path: str, recipe: Recipe, engine: Engine
) -> Iterator[tuple[str, _finish.Finished]]:
    """A system beside a path as an engine has made it; it is gone when the block ends."""
    with making(path) as folder:
        tree = _engine.run(path, recipe, engine, folder)
        with Root(tree) as root:
            finished = _finish.finish(path, recipe, engine, root)
        yield tree, finished


def keep_image(
    keeping: Keeping, marker: _marker.Marker, releases: dict[str, str], tree: str
) -> Image:
    """Keep a copy of a finished system as an image, unless there is the same already."""
    # Nobody can tell of two that they are the same if the archive cannot be asked.
    releases = releases or {"": uuid.uuid4().hex}
    path = f"{keeping.store}/{_images.name_of(keeping.inputs, releases)}"
    image = Image(path, keeping.inputs, releases, marker, int(time.time()))
    with _images.keeping(path, lambda there: not there.packed and _image.is_intact(there)) as new:
        if new is None:
            _images.renew(path, seeded=False)
        else:
            _copy.copy(tree, f"{new}/{_image.ROOT}")
            with Root(f"{new}/{_image.ROOT}") as root:
                _identity.forget(root)
            _image.seal(image._replace(path=new))
    return image


class Clone(Record):
    """Make a jail as a copy of the last of some images."""

    path: str
    images: list[Image]
    parameters: dict[str, object]
    replace: bool = False

    def describe(self) -> str:
        deed = "replace" if self.replace else "make"
        return f"{deed} {self.path} from a base image"

    def apply(self) -> None:
        image = self.images[-1]
        with making(self.path) as folder:
            with _images.using(image, f"copying {image.path}"):
                tree = _lay_out(image, folder)
            with Root(tree) as root:
                keys = _identity.has_host_keys(root)
            _identity.settle(tree, keys, lambda: own(tree, image, self.parameters))
            publish(tree, self.path, self.replace)


class Unpack(Record):
    """Make a tree of an image that is packed, for those who need one."""

    image: Image

    def describe(self) -> str:
        return f"unpack the image {os.path.basename(self.image.path)[:12]}"

    def apply(self) -> None:
        with _images.keeping(self.image.path, lambda there: not there.packed) as new:
            # Another run may have done it meanwhile.
            if new:
                _image.seal(unpack(self.image, new))


def unpack(image: Image, folder: str) -> Image:
    """The same image with its system as a tree, which a folder gets, and without a seal."""
    _lay_out(image, folder)
    return image._replace(path=folder, packed="")


def _lay_out(image: Image, folder: str) -> str:
    """Copy the system of an image into a folder; returns where it is."""
    tree = f"{folder}/{_image.ROOT}"
    if not image.packed:
        _copy.copy(image.root, tree)
        return tree
    _copy.make_top(tree)
    _pack.unpack(image.archive, _image.ROOT, folder)
    if os.path.islink(tree):
        raise JailError(
            f"Cannot unpack the image {image.path}: its root is a link.",
            "Remove it, and find out what the host that it came from has packed.",
        )
    return tree


def new_marker(
    engine: Engine, parameters: dict[str, object], finished: _finish.Finished
) -> _marker.Marker:
    """The marker of what an engine has just made."""
    return _marker.Marker(
        parameters=parameters,
        engine={"name": engine.name, "version": _engine.version(engine.name)},
        release=finished.release,
        created=_now(),
    )


def own(tree: str, image: Image, parameters: dict[str, object]) -> None:
    """Give a copy of an image an identity and a marker of its own."""
    name = os.path.basename(image.path)
    with Root(tree) as root:
        _identity.renew(root)
        _finish.mark(root, image.marker._replace(parameters=parameters, created=_now(), image=name))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _first_missing(folder: str) -> str | None:
    """Find the topmost folder that does not exist yet on the way to a folder."""
    missing = None
    while not os.path.lexists(folder):
        missing, folder = folder, os.path.dirname(folder)
    return missing


def _remove_empty(top: str | None, path: str) -> None:
    """Take back the folders that were made for a jail that did not come to be."""
    folder = os.path.dirname(path)
    while top and os.path.commonpath((folder, top)) == top:
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
