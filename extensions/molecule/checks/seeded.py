# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive was asked for packages by the first host alone; the others have its images."""

from __future__ import annotations

import json
from typing import Any

from conftest import STATE, Jail

SEED, ADDRESS = "h1", "198.18.88.11"
IMAGES = "/var/lib/jaulas.chroot/images"


def test_packages_went_to_one_host() -> None:
    requests = (STATE / "archive.log").read_text().splitlines()
    assert {line.split()[0] for line in requests if ".deb " in line} == {ADDRESS}


def test_the_others_asked_the_archive_for_nothing(host: Any) -> None:
    address = host.check_output("hostname --all-ip-addresses").split()[0]
    requests = (STATE / "archive.log").read_text().splitlines()
    assert (address in {line.split()[0] for line in requests}) == (address == ADDRESS)


def test_jails_are_copies_of_images(host: Any, jails: list[Jail]) -> None:
    for jail in jails:
        image = json.loads(host.file(f"{jail.path}/.jail.json").content_string)["image"]
        if host.backend.host.name == SEED:
            assert not image
        else:
            text = host.file(f"{IMAGES}/{image}/image.json").content_string
            assert json.loads(text)["seeded"]


def test_nothing_is_offered_any_more(host: Any) -> None:
    assert not host.file("/var/lib/jaulas.chroot/offered").exists
    assert host.check_output("ls -A /var/tmp") == ""
    assert host.check_output(f"find {IMAGES} -maxdepth 1 -name '*.partial-*'") == ""
    assert host.process.filter(user="nobody") == []
