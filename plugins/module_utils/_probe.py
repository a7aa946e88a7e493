# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What clients see of the application while a window works on it."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Callable

from ._files import write_text
from ._http import NoRedirect, Unanswered, taken_apart
from ._job import Job
from ._window import stamp

STOP_WAIT = 10.0  # seconds; the probe looks for its stop file after each request
INTERVAL = 0.2  # seconds between two requests: five times a second


LONGEST = 65536  # bytes of an answer that are read


# A redirect to a login or a maintenance page is not a healthy answer.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def _open(url: str, headers: dict[str, str], timeout: float) -> Any:
    try:
        return _OPENER.open(urllib.request.Request(url, headers=headers), timeout=timeout)  # noqa: S310 - its scheme is known
    except urllib.error.HTTPError as error:
        return error  # an answer like any other


def _read(response: Any, until: float) -> bytes:
    """The beginning of the body. The time-out of a socket is one of every single read, and a body may come in drips."""
    text = b""
    while len(text) < LONGEST:
        piece = response.read1(LONGEST - len(text))
        if not piece:
            break
        text += piece
        if time.monotonic() >= until:
            raise TimeoutError("timed out")
    return text


def ask(url: str, timeout: float, good: Sequence[int] = (200,), login: str = "") -> dict[str, Any]:
    """One request: `status` (0 when nobody answered), `ok` (it is one of the good ones), `ms`, and the JSON body or the reason.

    login: `user:password`, percent-encoded as they stand in a URL. The answer's `url` is without, wherever they stood.
    """
    begun = time.monotonic()
    status, text, reason = 0, b"", ""
    try:
        url, headers = taken_apart(url, login)
        with _open(url, headers, timeout) as response:
            text = _read(response, begun + timeout)
            status = response.code
    except Unanswered as error:
        url, reason = url.rpartition("@")[2], str(error)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no URL at all
        reason = str(getattr(error, "reason", error)) or type(error).__name__
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    elapsed = round((time.monotonic() - begun) * 1000)
    return {"url": url, "status": status, "ok": status in good, "ms": elapsed, "body": body, "reason": reason}


def downtime(samples: list[tuple[float, bool]]) -> dict[str, Any]:
    """The figure of the report, from samples of (seconds since 1970, answered well).

    seconds: of every outage, from the last good answer before it to the first good answer after it, which is the
    longest that a client can have been without the application; a slow answer during the backup does not count
    up to the stop that came minutes later. Pure.
    """
    outages = []
    for ok, run in itertools.groupby(range(len(samples)), key=lambda index: samples[index][1]):
        if not ok:
            indices = list(run)
            outages.append((samples[max(indices[0] - 1, 0)][0], samples[min(indices[-1] + 1, len(samples) - 1)][0]))
    figures: dict[str, Any] = {
        "probes": len(samples),
        "failures": sum(not ok for _moment, ok in samples),
        "outages": len(outages),
        "interval": INTERVAL,
        "seconds": round(sum(end - begin for begin, end in outages), 3),
    }
    if outages:
        figures["from"] = stamp(datetime.fromtimestamp(outages[0][0], timezone.utc))
        figures["to"] = stamp(datetime.fromtimestamp(outages[-1][1], timezone.utc))
    return figures


def watch(url: str, path: str, timeout: float, good: Sequence[int], stopped: Callable[[], bool], login: str = "") -> None:
    """Ask again and again and write one line per answer, until told to stop. A clock that is set meanwhile makes no outage longer."""
    epoch = time.time() - time.monotonic()
    with open(path, "a", encoding="utf-8", buffering=1, opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        while not stopped():
            begun = time.monotonic()
            out.write(f"{epoch + begun:.3f} {int(ask(url, timeout, good, login)['ok'])}\n")
            time.sleep(max(0.0, INTERVAL - (time.monotonic() - begun)))


def samples(path: str) -> list[tuple[float, bool]]:
    """What `watch` wrote; a last line cut short by a kill is left out, and one that never began wrote nothing."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = [line.split() for line in stream if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [(float(moment), ok == "1") for moment, ok in lines]


def stop(job: Job) -> dict[str, Any]:
    """End the probe; what clients saw, {} where none ran."""
    if not job.exists():
        return {}
    write_text(os.path.join(job.directory, "stop"), "")
    job.wait(STOP_WAIT)
    measured = samples(os.path.join(job.directory, "samples"))
    return downtime(measured) if measured else {}
