# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide what makes a jail present: nothing, a copy, a bootstrap, a rebuild, or a clear refusal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from glob import glob
from typing import Any

from ansible_collections.jaulas.chroot.plugins.module_utils import (
    _archive,
    _build,
    _deb_proxy,
    _debs,
    _engine,
    _files,
    _finish,
    _images,
    _jail,
    _marker,
    _obstacles,
    _overlay,
    _procs,
    _proof,
    _receive,
    _recipe,
    _rootfs,
    _storage,
)
from ansible_collections.jaulas.chroot.plugins.module_utils._bootstrap import Engine, Recipe
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError, Refused
from ansible_collections.jaulas.chroot.plugins.module_utils._image import Image
from ansible_collections.jaulas.chroot.plugins.module_utils._plan import Operation, Plan, State

#: Where the engines look for keys when no keyring is named.
_KEYRINGS = ("/usr/share/keyrings/*.gpg", "/etc/apt/trusted.gpg.d/*")
#: What images the jails before one in the same call would leave for it, in check mode.
Foreseen = list[tuple[str, dict[str, Any]]]


def _digest(*paths: str) -> str:
    total = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as handle:
            total.update(hashlib.sha256(handle.read()).digest())
    return total.hexdigest()


def _inputs(made: Recipe, engine: Engine, declared: Mapping[str, object]) -> dict[str, Any]:
    """All that decides what a bootstrap makes, but for the archive's own state."""
    script = _obstacles.script(made) if engine.name == "debootstrap" else ""
    keys = [made.keyring] if made.keyring else [name for at in _KEYRINGS for name in glob(at)]
    return {
        "parameters": _images.kind_of(declared),
        "engine": engine.name,
        "program": _digest(str(_engine.find(engine.name))),
        "script": _digest(script) if script else "",
        "keyring": _digest(*filter(os.path.isfile, keys)),
    }


def _result(path: str) -> dict[str, object]:
    marker = _jail.inspect(path)[1]
    return {"jail": describe(marker) if marker else None}


def describe(marker: _marker.Marker) -> dict[str, object]:
    """A marker as a module returns it."""
    return {
        "parameters": marker.parameters,
        "engine": marker.engine,
        "release": marker.release,
        "created": marker.created,
        "image": marker.image,
        "digest": _marker.digest(marker.parameters),
    }


def _observer(path: str, fstab: str, overlay: bool) -> Callable[[], State]:
    """What reads the state that a plan changes: the jail's, and fstab's where it is mounted."""

    def observe() -> State:
        seen = _jail.observe(path)
        return {**seen, fstab: _files.read_text(fstab)} if overlay else seen

    return observe


def plan(path: str, params: Mapping[str, Any], foreseen: Foreseen | None = None) -> Plan:
    """Plan a jail's presence; in check mode, foreseen is known, and gets what the jail leaves."""
    made = _recipe.recipe(params)
    kind, marker = _jail.inspect(path)
    if kind == "foreign":
        raise Refused(
            f"Cannot bootstrap {path}: something that is not ours is there (no {_rootfs.MARKER}).",
            "Move it away or choose another path; it is left as it is.",
        )
    overlay = _storage.find(path)
    marker = marker or (overlay.marker if overlay else None)
    declared = _recipe.parameters(made, str(params["engine"]), str(params["storage"]))
    differences = _marker.drift(declared, marker) if marker else []
    if marker and (not differences or params["on_drift"] == "warn"):
        return _keep(path, marker, differences, overlay, str(params["fstab"]))
    if differences and params["on_drift"] == "fail":
        raise JailError(
            f"Cannot keep {path} as it is: it differs from its declaration "
            f"({'; '.join(differences)}).",
            "Set on_drift: rebuild to replace it, or on_drift: warn to leave it.",
            drift=differences,
        )
    if any(item.startswith("storage:") for item in differences):
        raise JailError(
            f"Cannot rebuild {path}: its storage would change ({'; '.join(differences)}).",
            "Remove it first, with state: absent.",
            drift=differences,
        )
    if marker:
        _proof.prove_unused(path, "replace", kill=False, overlay=overlay is not None)
    return _make(path, made, params, declared, replace=marker is not None, foreseen=foreseen)


def _keep(
    path: str,
    marker: _marker.Marker,
    differences: list[str],
    overlay: _storage.Overlay | None,
    fstab: str,
) -> Plan:
    """Plan for a jail that is complete: what is to be cleared, and an overlay to be mounted."""
    operations: list[Operation] = _overlay.clearing(path)
    observe = _observer(path, fstab, overlay is not None)
    before = observe()
    after = before
    if overlay:
        text = _files.read_text(fstab)
        new_text = _storage.fstab_text(path, text, overlay.image)
        after = {**_jail.state(path, marker.parameters), fstab: new_text}
        if not overlay.mounted:
            operations.append(_overlay.MountOverlay(path, overlay.image))
        if new_text != text:
            operations.append(_overlay.WriteLine(path, fstab, overlay.image))
    return Plan(
        operations=operations,
        before=before,
        after=after,
        observe=observe,
        result={"path": path, "drift": differences, "jail": describe(marker)},
        reasons=[f"{path} is complete"],
        warnings=[f"{path} differs from its declaration: {'; '.join(differences)}"]
        if differences
        else [],
    )


def _below(image: Image | None, making: _build.MakeImage) -> list[Operation]:
    """What it takes until an overlay can lie on an image."""
    if image is None:
        return [making]
    return [_build.Unpack(image)] if image.packed else []


def _keeping(
    path: str,
    made: Recipe,
    engine: Engine,
    declared: dict[str, object],
    params: Mapping[str, Any],
) -> _build.Keeping | None:
    """Where the image of a jail is kept and by what it is found, unless none is of use."""
    if params["storage"] != "overlay" and not (params["image"] and params["image_keep"]):
        return None
    store = _images.store_for(path, _procs.mount_table())
    inputs = _inputs(made, engine, declared)
    return _build.Keeping(store, inputs, float(params["image_max_age"]))


def _find(keeping: _build.Keeping, made: Recipe) -> Image | None:
    """An image that may be used: the archive is asked what it says now."""

    def release(address: str) -> str | None:
        return _archive.release_digest(address, made.http_proxy)

    def fits(image: Image) -> bool:
        return _images.matches(image, keeping.inputs)

    return _images.find(keeping.store, fits, keeping.max_age, release)


def _foresee(keeping: _build.Keeping, foreseen: Foreseen | None, keep: int) -> bool:
    """Note the image that a jail would leave; tell whether one before it would have left it."""
    if foreseen is None:
        return False
    kind = (keeping.store, keeping.inputs)
    there = kind in foreseen
    # The longest unused go first.
    foreseen[:] = [*(other for other in foreseen if other != kind), kind][-max(keep, 1) :]
    return there


def _make(
    path: str,
    made: Recipe,
    params: Mapping[str, Any],
    declared: dict[str, object],
    *,
    replace: bool,
    foreseen: Foreseen | None,
) -> Plan:
    """Plan a jail that is not there yet, or not as declared: a copy of an image, or a bootstrap."""
    engine = _engine.choose(str(params["engine"]), made)
    _obstacles.check(path, made, engine)
    request = _finish.archive_request(made)
    on_overlay, fstab = params["storage"] == "overlay", str(params["fstab"])
    keeping = _keeping(path, made, engine, declared, params)
    image = _find(keeping, made) if keeping else None
    is_foreseen = (
        keeping is not None
        and image is None
        and _foresee(keeping, foreseen, int(params["image_keep"]))
    )
    is_copy = image is not None or is_foreseen
    if keeping and not is_copy and not replace and params["image_from"]:
        making = _receive.Make(path, keeping.inputs, declared, request, on_overlay)
        return _receive.plan_for(making, params, lambda: _result(path))
    if request:
        fields = image.marker.release if image else _archive.fetch_release(request)
        _archive.judge(request, fields)
    warnings: list[str] = []
    if not made.check_gpg:
        warnings.append(f"{path} is bootstrapped from an archive that is not verified")
    obstacle = _debs.obstacle() if not is_copy and _deb_proxy.is_of_use(made) else None
    if obstacle:
        warnings.append(f"Packages are not kept for other jails: {obstacle}")
    images = [image] if image else []
    operations: list[Operation] = _overlay.clearing(path)
    if on_overlay and keeping:
        if not is_foreseen:
            bootstrap = _build.MakeImage(path, made, engine, declared, keeping, images)
            operations += _below(image, bootstrap)
        operations.append(_overlay.MakeOverlay(path, images, declared, fstab, replace))
    elif is_copy:
        operations.append(_build.Clone(path, images, declared, replace))
    else:
        operations.append(
            _build.Bootstrap(path, made, engine, declared, warnings, replace, keeping)
        )
    if keeping and not is_foreseen:
        operations += _images.drops(keeping.store, image, int(params["image_keep"]))
    after = _jail.state(path, declared)
    # Which image fstab will name is known beforehand only if it is there already.
    observe = _observer(path, fstab, on_overlay and image is not None)
    if on_overlay and image:
        text = _files.read_text(fstab)
        after = {**after, fstab: _storage.fstab_text(path, text, image.path)}
    return Plan(
        operations=operations,
        before=observe(),
        after=after,
        observe=observe,
        result={"path": path, "engine": engine.name},
        outcome=lambda: _result(path),
        warnings=warnings,
    )
