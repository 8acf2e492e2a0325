# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A declared jail, as each module that works on it takes its part. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

_RESOLVER = "/etc/resolv.conf"
_MOUNTS = ("profile", "mounts")
_PACKAGES = (
    "update_cache",
    "cache_valid_time",
    "install_recommends",
    "default_release",
)
#: Keys that say something else than how to bootstrap; all others go to debootstrap_jail.
_FURNITURE = {
    *("name", "path", "state", "kill"),
    *("resolver", "apt_sources", "files"),
    *("fstab", *_MOUNTS),
    *("python", "packages", "packages_state", *_PACKAGES),
}


def options(role: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the role `jail` by the keys that stand for them: without `jail_`."""
    found = {name.removeprefix("jail_"): option for name, option in role.items()}
    return {key: option for key, option in found.items() if key not in ("declared", "root")}


def complete(
    declared: Mapping[str, Any],
    variables: Mapping[str, Any],
    known: Mapping[str, Any],
    root: str,
) -> dict[str, Any]:
    """All keys of a jail with their values; raises ValueError with a sentence about what is wrong.

    variables are those that an inventory may have, by the key that each stands for.
    """
    name = declared.get("name") or variables.get("name") or "without a name"
    unknown = sorted(declared.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"The jail {name} has keys that are not known: {', '.join(unknown)}. "
            f"Known ones: {', '.join(sorted(known))}."
        )
    overruled = sorted(
        key for key, value in declared.items() if key in variables and variables[key] != value
    )
    if overruled:
        raise ValueError(
            f"The jail {name} declares keys that variables of the same name with jail_ in front "
            f"overrule: {', '.join(overruled)}. Put what jails have in common into jails_common."
        )
    given = {key: value for key, value in {**variables, **declared}.items() if value is not None}
    result = ArgumentSpecValidator(dict(known)).validate(given)
    if result.error_messages:
        raise ValueError(f"The jail {name} is declared wrongly: {'; '.join(result.error_messages)}")
    jail: dict[str, Any] = result.validated_parameters
    if jail["name"] in ("", ".", "..") or "/" in jail["name"]:
        raise ValueError(
            f"The jail {jail['name']!r} is declared wrongly: its name is no name of a folder. "
            "Say where it is with path, if that is not below jail_root."
        )
    jail["path"] = jail["path"] or f"{root}/{jail['name']}"
    return jail


def parts(jail: Mapping[str, Any]) -> dict[str, Any]:
    """What a jail is called and where it is, and by the name of each module its entry for `jails`.

    A module that has nothing to do for the jail is left out.
    """
    path = jail["path"]
    common = {key: jail[key] for key in ("name", "path", "state", "fstab")}
    if jail["state"] == "absent":
        leaving = {"path": path, "state": "absent", "kill": jail["kill"]}
        making = {**leaving, "fstab": jail["fstab"]}
        return {**common, "debootstrap_jail": making, "bind_mounts": leaving}

    def taken(keys: Iterable[str]) -> dict[str, Any]:
        return {"path": path, **{key: jail[key] for key in keys if jail[key] is not None}}

    found = {
        **common,
        "debootstrap_jail": taken(sorted({*jail.keys() - _FURNITURE, "fstab"})),
        "bind_mounts": taken(_MOUNTS),
    }
    files = [*_sources(jail["apt_sources"]), *jail["files"]]
    # One that is declared as a file is not copied too.
    if not any(posixpath.normpath(str(item.get("dest"))) == _RESOLVER for item in files):
        files = [*_resolver(jail["resolver"]), *files]
    if files:
        found["jail_files"] = {"path": path, "files": files}
    packages = dict.fromkeys([*(["python3"] if jail["python"] else []), *jail["packages"]])
    if packages:
        named = {"name": list(packages), "state": jail["packages_state"]}
        found["jail_packages"] = {**taken(_PACKAGES), **named}
    return found


def _resolver(kind: str) -> list[dict[str, str]]:
    return [{"dest": _RESOLVER, "src": _RESOLVER}] if kind == "copy" else []


def _sources(text: str | None) -> list[dict[str, str]]:
    """Apt tells its two formats apart by the name of the file; the other file is emptied."""
    if text is None:
        return []
    deb822 = re.search(r"^Types:", text, re.MULTILINE) is not None
    return [
        {"dest": "/etc/apt/sources.list", "content": "" if deb822 else text},
        {
            "dest": "/etc/apt/sources.list.d/jail.sources",
            "content": text,
            "state": "present" if deb822 else "absent",
        },
    ]
