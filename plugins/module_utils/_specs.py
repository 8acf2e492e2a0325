# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each module takes: the arguments of AnsibleModule for it, by its name."""

from __future__ import annotations

from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils._argspec import (
    IMAGES,
    JAIL,
    PROFILES,
    one_or_many,
)

SPECS: dict[str, dict[str, Any]] = {
    "bind_mounts": one_or_many(
        {
            "state": {
                "type": "str",
                "choices": ["mounted", "unmounted", "present", "absent"],
                "default": "mounted",
            },
            "profile": {"type": "str", "choices": PROFILES, "default": "default"},
            "mounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "src": {"type": "str", "required": True},
                    "dest": {"type": "str", "required": True},
                    "fstype": {"type": "str", "default": "none"},
                    "opts": {"type": "list", "elements": "str", "default": []},
                },
            },
            "kill": {"type": "bool", "default": False},
        },
        fstab={"type": "path", "default": "/etc/fstab"},
    ),
    "chroot_exec": {
        "argument_spec": {
            **JAIL,
            "cmd": {"type": "str"},
            "argv": {"type": "list", "elements": "str"},
            "chdir": {"type": "str", "default": "/"},
            "user": {"type": "str", "default": "root"},
            "env": {"type": "dict", "default": {}},
            "stdin": {"type": "str"},
            "stdin_base64": {"type": "str"},
            "creates": {"type": "str"},
            "removes": {"type": "str"},
            "timeout": {"type": "float"},
            "profile": {
                "type": "str",
                "choices": PROFILES,
                "default": "isolated",
            },
            "services": {
                "type": "str",
                "choices": ["deny", "allow"],
                "default": "deny",
            },
            "strip_empty_ends": {"type": "bool", "default": True},
        },
        "required_one_of": [("cmd", "argv")],
        "mutually_exclusive": [("cmd", "argv"), ("stdin", "stdin_base64")],
        "supports_check_mode": True,
    },
    "debootstrap_jail": one_or_many(
        {
            "state": {
                "type": "str",
                "choices": ["present", "absent"],
                "default": "present",
            },
            "suite": {"type": "str"},
            "mirror": {"type": "str"},
            "arch": {"type": "str"},
            "variant": {
                "type": "str",
                "choices": ["default", "minbase", "buildd"],
                "default": "default",
            },
            "include": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "components": {"type": "list", "elements": "str", "default": ["main"]},
            "extra_suites": {"type": "list", "elements": "str", "default": []},
            "keyring": {"type": "path", "no_log": False},
            "check_gpg": {"type": "bool", "default": True},
            "check_valid_until": {"type": "bool", "default": True},
            "script": {"type": "str"},
            "merged_usr": {"type": "bool"},
            "engine": {
                "type": "str",
                "choices": ["auto", "debootstrap", "mmdebstrap"],
                "default": "auto",
            },
            "storage": {
                "type": "str",
                "choices": ["directory", "overlay"],
                "default": "directory",
            },
            "image": {"type": "bool", "default": True},
            "image_max_age": {"type": "int", "default": 0},
            "image_keep": {"type": "int", "default": 5},
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "on_drift": {
                "type": "str",
                "choices": ["fail", "warn", "rebuild"],
                "default": "fail",
            },
            "kill": {"type": "bool", "default": False},
            "http_proxy": {"type": "str"},
            "deb_cache": {"type": "bool", "default": True},
        },
        image_from={
            "type": "dict",
            "options": {
                "host": {"type": "str", "required": True},
                "port": {"type": "int", "required": True},
                "images": {**IMAGES, "required": True},
            },
        },
    ),
    "jail_files": one_or_many(
        {
            "files": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "dest": {"type": "str", "required": True},
                    "content": {"type": "str"},
                    "src": {"type": "path"},
                    "mode": {"type": "raw", "default": "0644"},
                    "state": {
                        "type": "str",
                        "choices": ["present", "absent"],
                        "default": "present",
                    },
                },
                "mutually_exclusive": [("content", "src")],
                "required_if": [("state", "present", ("content", "src"), True)],
            },
        }
    ),
    "jail_image": {
        "argument_spec": {
            "state": {
                "type": "str",
                "choices": ["offered", "received", "withdrawn"],
                "required": True,
            },
            "paths": {"type": "list", "elements": "path"},
            "images": IMAGES,
            "from": {"type": "str"},
            "port": {"type": "int", "default": 0},
            "folder": {"type": "path"},
            "compression": {"type": "str", "choices": ["auto", "zstd", "gzip"], "default": "auto"},
            "image_max_age": {"type": "int", "default": 3600},
            "http_proxy": {"type": "str"},
            "timeout": {"type": "int", "default": 600},
        },
        "required_if": [
            ("state", "offered", ["paths"]),
            ("state", "received", ["images"]),
            ("state", "received", ["from", "folder"], True),
        ],
        "mutually_exclusive": [("from", "folder")],
        "supports_check_mode": True,
    },
    "jail_info": {
        "argument_spec": {
            "paths": {"type": "list", "elements": "path", "default": []},
            "roots": {"type": "list", "elements": "path", "default": []},
        },
        "supports_check_mode": True,
    },
    "jail_packages": one_or_many(
        {
            "name": {
                "type": "list",
                "elements": "str",
                "default": [],
                "aliases": ["package", "pkg"],
            },
            "state": {
                "type": "str",
                "choices": ["present", "latest", "absent"],
                "default": "present",
            },
            "update_cache": {"type": "bool", "default": False},
            "cache_valid_time": {"type": "int", "default": 0},
            "install_recommends": {"type": "bool", "default": False},
            "default_release": {"type": "str"},
            "autoremove": {"type": "bool", "default": False},
            "purge": {"type": "bool", "default": False},
        }
    ),
}
