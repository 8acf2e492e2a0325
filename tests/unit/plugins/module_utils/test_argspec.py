# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.jaulas.chroot.plugins.module_utils._argspec import paths_in
from ansible_collections.jaulas.chroot.plugins.module_utils._specs import SPECS


def test_paths_in_options() -> None:
    spec = SPECS["jail_files"]["argument_spec"]
    given = {"path": "a", "jails": [{"path": "b", "files": [{"src": "c", "dest": "no"}]}]}
    assert list(paths_in(spec, given)) == ["a", "b", "c"]
    assert list(paths_in(SPECS["jail_info"]["argument_spec"], {"paths": "a"})) == ["a"]
    assert list(paths_in(spec, {"jails": "nonsense", "path": None})) == ["None"]
