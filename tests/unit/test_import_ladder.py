# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file imports only from the rungs below its own, and runs on every Python that hosts have."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
OWN = "ansible_collections.jaulas.chroot.plugins.module_utils"
LADDER = (
    "_errors _libc _library _record _text _argspec _plan",
    "_blocks _arch _dpkg _marker _users _fstab _options _release",
    "_archive _download _kernel _paths _streams",
    "_btrfs _debs _ext4 _files _glob _mountinfo _profiles _rootfs",
    "_jobs _process _procs _specs _trees",
    "_operations _copy _serve",
    "_mounts _bootstrap _jail",
    "_mount_lines _session _proof _deb_proxy _finish _obstacles _partial _recipe",
    "_engine _image",
    "_images _storage _identity _enter _exec _mount_set _packages _put _pack",
    "_build",
    "_overlay",
    "_remove _info _offer _receive",
    "_create",
    "_call",
    "_bind_mounts _chroot_exec _debootstrap_jail _jail_files _jail_image _jail_info _jail_packages",
    "_module _quick",
)
RUNG = {name: rung for rung, names in enumerate(LADDER) for name in names.split()}
FILES = sorted(path.stem for path in UTILS.glob("*.py") if path.stem != "__init__")
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
BASIC = "ansible.module_utils.basic"


def imports(path: Path) -> list[str]:
    """Full names of all that a file imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import in line {node.lineno}"
            module = node.module or ""
            # `from package import file` names files, `from file import thing` names one file.
            found += [f"{OWN}.{alias.name}" for alias in node.names] if module == OWN else [module]
    return found


def own(names: list[str]) -> list[str]:
    return [name[len(OWN) + 1 :] for name in names if name.startswith(f"{OWN}.")]


def foreign(names: list[str]) -> set[str]:
    return {
        name
        for name in names
        if not name.startswith(f"{OWN}.") and name.split(".")[0] not in sys.stdlib_module_names
    }


def test_every_file_has_a_rung() -> None:
    assert sorted(RUNG) == FILES


@pytest.mark.parametrize("name", FILES)
def test_imports_come_from_below(name: str) -> None:
    used = own(imports(UTILS / f"{name}.py"))
    breaches = [other for other in used if RUNG[other] >= RUNG[name]]
    assert not breaches, f"{name} (rung {RUNG[name]}) imports from its rung or above: {breaches}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_foreign(name: str) -> None:
    allowed = {BASIC} if name == "_module" else set()
    assert foreign(imports(UTILS / f"{name}.py")) == allowed


@pytest.mark.parametrize("name", FILES)
def test_files_are_private(name: str) -> None:
    assert name.startswith("_")


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_utilities_only(name: str) -> None:
    names = imports(PLUGINS / "modules" / f"{name}.py")
    assert not foreign(names)
    assert set(own(names)) <= set(FILES)


@pytest.mark.parametrize(
    "path",
    [*UTILS.glob("*.py"), *(PLUGINS / "modules").glob("*.py")],
    ids=lambda path: path.stem,
)
def test_runs_on_the_oldest_python(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))
    assert "from __future__ import annotations" in source
