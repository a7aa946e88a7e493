# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One request that is over when its time is: whoever is asked may be down, be slow, or answer in drips."""

from __future__ import annotations

import base64
import http.client
import queue
import threading
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

LONGEST = 1 << 24  # bytes of an answer that are read


class Unanswered(Exception):
    """Nobody answered; why, without the address, which may be a secret."""


class Reply(NamedTuple):
    """retry_after: seconds that whoever was asked too often asks for."""

    status: int
    text: str
    retry_after: float = 0.0


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """What was asked of one address is not asked of another; the redirect itself is the answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


def request(method: str, url: str, timeout: float, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
    """Whatever was answered, also an error; Unanswered where nothing was within `timeout` seconds.

    The time-out of a socket is one of every single read, and looking a name up has none: so the work is left to a thread, which is
    left behind when the time is over.
    """
    answer: queue.Queue[Reply | Unanswered] = queue.Queue()
    address, known = taken_apart(url)
    asked = urllib.request.Request(address, data=body, headers={**known, **(headers or {})}, method=method)  # noqa: S310 - its scheme is known
    threading.Thread(target=lambda: answer.put(_ask(asked, timeout)), daemon=True).start()
    try:
        reply = answer.get(timeout=max(timeout, 0.0))
    except queue.Empty:
        raise Unanswered(f"no answer within {round(timeout, 1):g} s") from None
    if isinstance(reply, Unanswered):
        raise reply
    return reply


def taken_apart(url: str, login: str = "") -> tuple[str, dict[str, str]]:
    """The address alone, and as a header the `user:password` that stands in it, or is given beside it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise Unanswered("that is no URL of http or https")
    user, _at, place = parts.netloc.rpartition("@")
    login = unquote(user or login)
    header = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    return urlunsplit(parts._replace(netloc=place)), header


def _ask(asked: urllib.request.Request, timeout: float) -> Reply | Unanswered:
    try:
        try:
            # Made anew each time: the proxies are those of the environment now.
            # A little longer than whoever waits, so that there is one who says that it was too long.
            response = urllib.request.build_opener(NoRedirect).open(asked, timeout=max(timeout, 0.0) + 1.0)
        except urllib.error.HTTPError as error:
            response = error  # an answer like any other
        with response:
            return Reply(int(response.status), response.read(LONGEST).decode("utf-8", "replace"), _seconds(response.headers["Retry-After"]))
    except (http.client.InvalidURL, ValueError):  # their words hold the URL
        return Unanswered("that is no URL")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Unanswered(str(getattr(reason, "strerror", None) or reason) or type(error).__name__)


def _seconds(header: str | None) -> float:
    """A date, its other form, counts as none."""
    return float(header) if header and header.strip().isdecimal() else 0.0
