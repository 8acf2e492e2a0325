# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base images: finished roots that are kept on the host, so that the next jail is a copy.

An image is a folder in a store of root's alone, named by the digest of all that went into it:

    DIGEST/image.json     what it was made from, and the seal
    DIGEST/root           the system, as the engine left it, without its logs
    DIGEST/packed         or one file of it, as it came from another host
    DIGEST/jails/         an empty file for each jail whose storage is an overlay of the image

The seal covers image.json and the state of every file of the system: an image that anybody has
changed is not used again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import Any
from urllib.parse import unquote

from ansible_collections.jaulas.chroot.plugins.module_utils import _copy, _marker, _trees
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

DESCRIPTION = "image.json"
ROOT = "root"
PACKED = "packed"
JAILS = "jails"
_LIMIT = 1 << 18
_FORMAT = 1


class Image(Record):
    """One image as it describes itself.

    inputs is what was asked for and what the host had for it; releases maps the address of each
    archive's Release file to the digest of what it said; seeded tells that another host made it.
    packed is the name of the file that its root is packed into, empty where it is none.
    """

    path: str
    inputs: dict[str, Any]
    releases: dict[str, str]
    marker: _marker.Marker
    created: int
    seal: str = ""
    seeded: bool = False
    packed: str = ""

    @property
    def root(self) -> str:
        return f"{self.path}/{ROOT}"

    @property
    def archive(self) -> str:
        """The file that its root is packed into."""
        return f"{self.path}/{PACKED}/{self.packed}"

    @property
    def used(self) -> float:
        """When a jail was last made of it, in seconds since 1970."""
        return os.stat(f"{self.path}/{DESCRIPTION}").st_mtime

    def render(self) -> str:
        """The text of its description."""
        content = {
            "format": _FORMAT,
            "inputs": self.inputs,
            "releases": self.releases,
            "marker": json.loads(self.marker.render()),
            "created": self.created,
            "seeded": self.seeded,
            "packed": self.packed,
            "seal": self.seal,
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def sealed(self) -> Image:
        """The same with the seal that fits it as it is."""
        bare = self._replace(seal="").render()
        system = f"{self.path}/{PACKED if self.packed else ROOT}"
        text = f"{bare}{_copy.fingerprint(system)}"
        return self._replace(seal=hashlib.sha256(text.encode()).hexdigest())

    def jails(self) -> list[str]:
        """The jails whose storage is an overlay of this image."""
        return jails_of(self.path)


def jails_of(path: str) -> list[str]:
    """The jails that are noted to need an image, whatever it says of itself.

    One that cannot be seen counts too: the disk that it is on may just not be mounted.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(unquote(name) for name in os.listdir(f"{path}/{JAILS}"))
    return []


def read(path: str) -> Image | None:
    """Read the description of an image, or None if there is none that can be understood."""
    try:
        with open(f"{path}/{DESCRIPTION}", encoding="utf-8") as handle:
            content = json.loads(handle.read(_LIMIT))
        marker = _marker.parse(json.dumps(content["marker"]).encode())
        inputs = dict(content["inputs"])
        if content["format"] != _FORMAT or marker is None or "parameters" not in inputs:
            return None
        return Image(
            path=path,
            inputs=inputs,
            releases=dict(content["releases"]),
            marker=marker,
            # So large a number that no clock tells it is none.
            created=int(float(content["created"])),
            seal=str(content["seal"]),
            seeded=bool(content["seeded"]),
            packed=str(content["packed"]),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


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
        "packed": bool(image.packed),
        "overlays": image.jails(),
    }


def seal(image: Image) -> None:
    """Describe a root that is complete, and seal it. It must not change from here on."""
    os.makedirs(f"{image.path}/{JAILS}", exist_ok=True)
    with open(f"{image.path}/{DESCRIPTION}", "w", encoding="utf-8") as handle:
        handle.write(image.sealed().render())
