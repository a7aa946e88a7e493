# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the journal's values, whatever state it is in, and word them for people."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import datetime, timezone
from typing import Any, NamedTuple

NOTHING = "\N{EN DASH}"
TEXT_LIMIT = 4000

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:Z|\+00:?00)", re.ASCII)


class Phase(NamedTuple):
    name: str
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    result: str
    detail: str


class Span(NamedTuple):
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    return [text(item) for item in value] if isinstance(value, list) else []


def text(value: object, default: str = NOTHING) -> str:
    """The value as text that neither a page, a terminal nor a UTF-8 file can trip over, of bounded length."""
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if len(value) > TEXT_LIMIT:
        value = _cut(value)
    return value if value.isprintable() else "".join(_visible(character) for character in value.replace("\r\n", "\n"))


def _cut(value: str) -> str:
    """Beginning and end of a long text, by whole lines where it has some; the cause of a failure mostly stands in the last ones."""
    head, tail = value[: TEXT_LIMIT // 4], value[-3 * TEXT_LIMIT // 4 :]
    head, tail = head[: head.rfind("\n") + 1] or head, tail[tail.find("\n") + 1 :]
    return f"{head.rstrip()}\n… {len(value) - len(head) - len(tail):,} characters left out; the journal has them …\n{tail}"


def _visible(character: str) -> str:
    # Cc, Cf, Cs: control, invisible and direction-changing characters, and halves of a surrogate pair.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\n\t"
    return "\N{REPLACEMENT CHARACTER}" if hidden else character


def line(value: object, default: str = NOTHING) -> str:
    return " ".join(text(value, default).split())


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def integer(value: object) -> str:
    result = number(value)
    return NOTHING if result is None else f"{result:,.0f}"


def moment(value: object) -> datetime | None:
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    day, clock_time, fraction = match.groups()
    try:
        return datetime.fromisoformat(f"{day}T{clock_time}.{(fraction or '0').ljust(6, '0')}+00:00").astimezone(timezone.utc)
    except ValueError:
        return None


def clock(value: datetime | None) -> str:
    return f"{value:%H:%M:%S}.{value.microsecond // 100000}" if value else NOTHING


def stamp(value: object) -> str:
    """A moment with its date; a text that is none is shown as it stands."""
    parsed = value if isinstance(value, datetime) else moment(value)
    return f"{parsed:%Y-%m-%d %H:%M:%S} UTC" if parsed else line(value)


def duration(seconds: float | None) -> str:
    if seconds is None or seconds < 0:
        return NOTHING
    if 0 < seconds < 0.05:
        return "< 0.1 s"
    if round(seconds, 1) < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if rest else f"{hours} h"


def tight(words: str) -> str:
    """The words with their numbers and units kept on one line."""
    return re.sub(r"(?<=\d) (?=(?:s|ms|min|h)\b)", "\N{NO-BREAK SPACE}", words)


def size(value: object) -> str:
    amount = number(value)
    if amount is None:
        return NOTHING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:,.0f} B" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


def plural(value: object, noun: str) -> str:
    return f"{integer(value)} {noun}{'' if number(value) == 1 else 's'}"


def short_image(value: object) -> str:
    """An image id as the engine abbreviates it."""
    return re.sub(r"^(sha256:[0-9a-f]{12})[0-9a-f]+$", r"\1", line(value, ""))


def phases(journal: dict[str, Any]) -> list[Phase]:
    result = []
    for item in mappings(journal.get("phases")):
        started, ended = moment(item.get("started")), moment(item.get("ended"))
        # A clock set back during the phase leaves no length to speak of.
        seconds = (ended - started).total_seconds() if started and ended and ended >= started else None
        outcome = line(item.get("result"), "" if item.get("ended") else "unfinished")
        result.append(Phase(line(item.get("name")), started, ended, seconds, outcome, _first_line(item.get("detail"))))
    return result


def _first_line(value: object) -> str:
    first, *rest = text(value, "").strip().split("\n", 1)
    return first + (" …" if rest else "")


def window_span(journal: dict[str, Any]) -> Span | None:
    """From the first to the last moment that the journal knows of the window; its end may be missing."""
    known = [moment(journal.get("opened")), moment(journal.get("ended"))]
    known += [edge for phase in phases(journal) for edge in (phase.started, phase.ended)]
    moments = [edge for edge in known if edge]
    return Span(min(moments), max(moments)) if moments else None


def downtime_span(journal: dict[str, Any]) -> Span | None:
    """Where clients saw the service down; down until the end when the probe never saw it come back."""
    downtime, window = mapping(journal.get("downtime")), window_span(journal)
    start, end = moment(downtime.get("from")), moment(downtime.get("to"))
    if not end and window and number(downtime.get("failures")):
        end = window.end
    return Span(start, end) if start and end and end >= start else None
