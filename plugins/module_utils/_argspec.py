# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that modules share, and what is in them; twin of doc_fragments/jail.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

JAIL: dict[str, dict[str, object]] = {"path": {"type": "path", "required": True}}
PROFILES = ["default", "isolated", "build", "desktop", "none"]


#: Images that another host offers, as jail_image returns them there.
IMAGES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "name": {"type": "str", "required": True},
        "file": {"type": "str", "required": True},
        "url_path": {"type": "str", "required": True},
        "sha256": {"type": "str", "required": True},
        "size": {"type": "int", "required": True},
    },
}


def one_or_many(options: Mapping[str, Mapping[str, object]], **common: object) -> dict[str, Any]:
    """What AnsibleModule takes for a module that serves the jail at `path`, or a list `jails`.

    options are a jail's own: they are the task's, and without their defaults those of each entry.
    Those in common are the task's alone.
    """
    own = {
        name: {key: value for key, value in option.items() if key != "default"}
        for name, option in options.items()
    }
    return {
        "argument_spec": {
            "path": {"type": "path"},
            "jails": {"type": "list", "elements": "dict", "options": {**JAIL, **own}},
            **options,
            **common,
        },
        "mutually_exclusive": [("path", "jails")],
        "required_one_of": [("path", "jails")],
        "supports_check_mode": True,
    }


def entries(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of each jail of a call: what an entry of `jails` leaves out is the task's."""
    if params.get("jails") is None:
        return [dict(params)]
    return [
        {**params, **{name: value for name, value in item.items() if value is not None}}
        for item in params["jails"]
    ]


def paths_in(options: Mapping[str, Any], given: Any) -> Iterator[str]:
    """The values of options that are paths, which the host may have to expand."""
    for name, value in given.items() if isinstance(given, Mapping) else ():
        option = options.get(name, {})
        values = value if isinstance(value, list) else [value]
        if "path" in (option.get("type"), option.get("elements")):
            yield from map(str, values)
        elif "options" in option:
            for item in values:
                yield from paths_in(option["options"], item)
