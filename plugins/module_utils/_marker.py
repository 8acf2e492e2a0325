# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The marker `.jail.json`: what a jail was made from. Its text to a record and back. Pure."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record

LIMIT = 1 << 16
_FORMAT = 1
#: The declared parameters that decide what is in a jail. A change of any of them is drift.
DECIDING = (
    "suite",
    "mirror",
    "arch",
    "variant",
    "include",
    "exclude",
    "components",
    "extra_suites",
    "script",
    "merged_usr",
    "storage",
)


class Marker(Record):
    """What was declared, which engine made it so, and what the archive called itself.

    image names the base image that the jail was copied from, if it was not bootstrapped.
    """

    parameters: dict[str, object]
    engine: dict[str, str]
    release: dict[str, str]
    created: str
    image: str = ""

    def render(self) -> str:
        """The text of the file."""
        content = {
            "format": _FORMAT,
            "parameters": self.parameters,
            "digest": digest(self.parameters),
            "engine": self.engine,
            "release": self.release,
            "created": self.created,
            "image": self.image,
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def digest(parameters: dict[str, object]) -> str:
    """Name a set of parameters, whatever their order."""
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def parse(raw: bytes) -> Marker | None:
    """Read a marker, or None if this is none of ours. The jail's own root could have written it."""
    try:
        content = json.loads(raw.decode("utf-8"))
        # Half a surrogate pair is valid JSON and breaks whoever prints it.
        json.dumps(content, ensure_ascii=False).encode("utf-8")
        parameters, engine, release = (content[key] for key in ("parameters", "engine", "release"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if content.get("format") != _FORMAT or not all(map(_is_flat, (parameters, engine, release))):
        return None
    created, image = (str(content.get(key, "")) for key in ("created", "image"))
    return Marker(parameters, engine, release, created, image)


def _is_flat(part: object) -> bool:
    """Tell whether a part holds only what we write: words, lists of words, and yes or no."""
    if not isinstance(part, dict):
        return False
    values = [
        item for value in part.values() for item in (value if isinstance(value, list) else [value])
    ]
    return all(item is None or isinstance(item, (str, bool)) for item in values)


def drift(declared: dict[str, object], marker: Marker) -> list[str]:
    """Say in what a jail differs from what is declared, one line for each parameter.

    An engine counts only when one is asked for by name, and a jail that was made from a verified
    archive also serves whoever does not ask for verification.
    """
    # A jail from before there were others is a directory.
    made = {"storage": "directory", **marker.parameters}
    names = [name for name in DECIDING if declared.get(name) != made.get(name)]
    if declared.get("engine") not in ("auto", marker.engine.get("name")):
        names.append("engine")
    if declared.get("check_gpg") and not made.get("check_gpg"):
        names.append("check_gpg")
    actual = {**made, "engine": marker.engine.get("name")}
    return [f"{name}: {_show(actual.get(name))} -> {_show(declared.get(name))}" for name in names]


def _show(value: object) -> str:
    return json.dumps(value)
