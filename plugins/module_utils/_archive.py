# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a mirror what it has before an engine spends minutes on finding out.

What is read here is not verified: it can only stop a bootstrap early, with a clear word. The
engine checks the signature, and the verified file is judged once more afterwards.
"""

from __future__ import annotations

import email.utils
import functools
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from ansible_collections.jaulas.chroot.plugins.module_utils import _release
from ansible_collections.jaulas.chroot.plugins.module_utils._errors import JailError
from ansible_collections.jaulas.chroot.plugins.module_utils._record import Record
from ansible_collections.jaulas.chroot.plugins.module_utils._release import (
    parse_release,
)

#: Seconds without an answer after which a mirror counts as dead.
TIMEOUT = 20
_LIMIT = 1 << 20
#: What a server answers that has no file of a name.
_MISSING = (403, 404, 410)


class Request(Record):
    """What a bootstrap needs of an archive."""

    mirror: str
    suite: str
    arch: str
    components: Sequence[str]
    proxy: str | None = None
    check_valid_until: bool = True


def _get(url: str, proxy: str | None) -> str:
    proxies = {"http": proxy, "https": proxy} if proxy else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(url, timeout=TIMEOUT) as answer:
        raw: bytes = answer.read(_LIMIT)
    return raw.decode("utf-8", "replace")


# One call of a module asks once: jails have images in common, and a silent mirror takes its time.
@functools.cache
def release_digest(address: str, proxy: str | None = None) -> str | None:
    """Digest the Release file below an address as it is now; None if it cannot be read."""
    for name in ("InRelease", "Release"):
        try:
            return _release.digest(_get(f"{address}/{name}", proxy))
        except urllib.error.HTTPError as error:
            if error.code in _MISSING:
                continue
            return None
        except (OSError, http.client.HTTPException, ValueError):
            return None
    return None


def fetch_release(request: Request) -> dict[str, str]:
    """Read a suite's Release file from its mirror; raises JailError if that cannot be done."""
    base = f"{request.mirror.rstrip('/')}/dists/{request.suite}"
    what = f"Cannot bootstrap {request.suite} from {request.mirror}:"
    for name in ("InRelease", "Release"):
        try:
            fields = parse_release(_get(f"{base}/{name}", request.proxy))
        except urllib.error.HTTPError as error:
            if error.code in _MISSING and name == "InRelease":
                continue
            raise JailError(
                f"{what} {base}/{name} answers {error.code} {error.reason}.",
                "Check how suite and mirror are spelled, and that the mirror has the suite.",
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise JailError(
                f"{what} the mirror gives no answer to work with ({reason}).",
                "Check the address, the network and the proxy, or name another mirror.",
            ) from None
        if "architectures" not in fields and "codename" not in fields and "suite" not in fields:
            raise JailError(
                f"{what} what {base}/{name} holds is no Release file.",
                "Check the address; a proxy or a login page may be in between.",
            )
        return fields
    raise AssertionError("one of the two names was asked for last")


def _seconds(date: str) -> float | None:
    """Read a date as seconds since 1970, or None where it is none that a calendar has."""
    try:
        parsed = email.utils.parsedate_tz(date)
        return float(email.utils.mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError):
        return None


def judge(request: Request, fields: dict[str, str], now: float | None = None) -> None:
    """Check that a Release file offers what is asked for; raises JailError with the reason."""
    what = f"Cannot bootstrap {request.suite}:"
    names = {fields.get("suite"), fields.get("codename")} - {None}
    wanted = request.suite.split("/")[0]
    if names and wanted not in names and request.suite not in names:
        raise JailError(
            f"{what} the archive calls itself {' / '.join(sorted(filter(None, names)))}.",
            "Name that suite, or another mirror.",
        )
    if "architectures" in fields and request.arch not in fields["architectures"].split():
        raise JailError(
            f"{what} the archive has no architecture {request.arch}, only "
            f"{fields['architectures']}.",
            "Choose one of those.",
        )
    offered = {name.rpartition("/")[2] for name in fields.get("components", "").split()}
    missing = [name for name in request.components if offered and name not in offered]
    if missing:
        raise JailError(
            f"{what} the archive has no component {', '.join(missing)}, only "
            f"{fields['components']}."
        )
    until = _seconds(fields.get("valid_until", ""))
    today = time.time() if now is None else now
    if request.check_valid_until and until is not None and until < today:
        raise JailError(
            f"{what} the archive's Release file expired on {fields['valid_until']}.",
            "The mirror is stale or the host's clock wrong; for a frozen archive set "
            "check_valid_until: false.",
        )
