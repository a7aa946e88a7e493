# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A window's journal as a page that stands alone, as Markdown, and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from ._report_html import code, document, facts, figures, h, section, table
from ._report_markdown import markdown
from ._report_phases import drawing, listing, result
from ._report_style import STYLE
from ._report_values import (
    NOTHING,
    Span,
    clock,
    duration,
    integer,
    line,
    mapping,
    mappings,
    moment,
    number,
    phases,
    plural,
    short_image,
    size,
    stamp,
    text,
    texts,
    tight,
    window_span,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Journal = dict[str, Any]

_SUBJECTS = {
    "none": "Window without an operation on",
    "migrate": "Migration of",
    "restore": "Restore of",
    "upgrade_postgres": "PostgreSQL upgrade of",
    "upgrade_redis": "Redis upgrade of",
    "custom": "Custom operation on",
}


# What the end of a window had tried, see `_verdict`.
_WHEN = {
    "finish": "what the window brought was not healthy",
    "start_again": "what ran before was not healthy again",
    "return": "what ran before was not healthy on the database of before",
    "hold": "a person had to decide",
}


class _State(NamedTuple):
    word: str
    kind: str
    sentence: str


_STATES = {
    "open": _State("open", "open", "{subject} is under way."),
    "closed": _State("ok", "ok", "{subject} completed{downtime}."),
    "rolled_back": _State("rolled back", "warning", "{subject} was rolled back{downtime}; the services run what they ran before."),
    "aborted": _State("aborted", "warning", "{subject} was aborted; no service was stopped."),
    "failed": _State("failed", "failed", "{subject} failed{downtime}; a person is needed."),
}
_UNKNOWN = _State("unknown", "failed", "{subject} has no recorded end{downtime}; look at the target.")


def render_html(journal: Journal) -> str:
    title = f"{_stack(journal)} · {line(journal.get('operation'), 'maintenance')} · {_state(journal).word}"
    return document(title, STYLE, *_parts(journal))


def render_markdown(journal: Journal) -> str:
    return markdown(*_parts(journal))


def _stack(journal: Journal) -> str:
    return line(journal.get("stack"), "unnamed stack")


def _parts(journal: Journal) -> tuple[Element, ...]:
    state = _state(journal)
    return (
        h(
            "header",
            h("p", f"Maintenance window · {_stack(journal)} · {stamp(journal.get('opened'))}", class_="over"),
            h("h1", tight(verdict(journal))),
            h("p", h("span", state.word, class_=f"badge {state.kind}"), class_="state"),
            _figures(journal),
        ),
        h("main", *(part for make in _SECTIONS for part in [make(journal)] if part is not None)),
        h("footer", h("p", f"Written by amanat.dbops from the journal of window {line(journal.get('id'))}. All times are UTC.")),
    )


def summary_lines(journal: Journal) -> list[str]:
    rows = [(phase.name, duration(phase.seconds), phase.result) for phase in phases(journal)]
    rows.append(("window", duration(_seconds(window_span(journal))), _state(journal).word))
    rows.append(("downtime", duration(_downtime_seconds(journal)), _probes(journal)))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [verdict(journal), *(f"  {name:<{widths[0]}}  {seconds:>{widths[1]}}  {note}".rstrip() for name, seconds, note in rows)]
    restore = mapping(journal.get("restore"))
    if restore:
        lines.append(f"restore: {_source(restore)}")
    backup = mapping(journal.get("backup"))
    if backup:
        lines.append(f"backup: {line(backup.get('name'))} ({size(backup.get('bytes'))}, {_verified(backup)})")
    point = mapping(journal.get("rollback_point"))
    if point:
        kept = f", what failed is kept as {line(point.get('failed_database'))}" if point.get("failed_database") else ""
        lines.append(f"rollback point: {line(point.get('name'))} ({size(point.get('bytes'))}, {line(point.get('state'))}{kept})")
    lines.extend(f"warning: {line(item)}" for item in texts(journal.get("warnings")))
    error = mapping(journal.get("error"))
    if error:
        lines.append(f"error: {line(_error_message(error)[0])}")
        lines.extend(f"{key}: {line(error[key])}" for key in ("state", "next") if error.get(key))
    return lines


def verdict(journal: Journal) -> str:
    """One sentence: what was done to which stack, how it ended, and what clients felt."""
    operation = line(journal.get("operation"), "maintenance")
    subject = _SUBJECTS.get(operation, f"Operation {operation} on")
    seconds = _downtime_seconds(journal)
    downtime = "" if seconds is None else f" with {duration(seconds)} of downtime" if seconds else " without downtime"
    return _state(journal).sentence.format(subject=f"{subject} {line(journal.get('stack'), 'an unnamed stack')}", downtime=downtime)


def _state(journal: Journal) -> _State:
    return _STATES.get(line(journal.get("state")), _UNKNOWN)


def _seconds(span: Span | None) -> float | None:
    return span.seconds if span else None


def _downtime_seconds(journal: Journal) -> float | None:
    return number(mapping(journal.get("downtime")).get("seconds"))


def _probes(journal: Journal) -> str:
    downtime = mapping(journal.get("downtime"))
    if number(downtime.get("probes")) is None:
        return "not measured" if _downtime_seconds(journal) is None else ""
    every = number(downtime.get("interval"))
    return f"{integer(downtime.get('failures'))} of {plural(downtime.get('probes'), 'probe')} failed" + (
        f", one every {every:g} s" if every else ""
    )


def _verified(backup: dict[str, Any]) -> str:
    if number(backup.get("rows")) is None:
        return "rows not counted"
    verified = "verified" if number(backup.get("verified_rows")) is not None else "not verified"
    return f"{plural(backup.get('rows'), 'row')} in {plural(backup.get('tables'), 'table')} {verified}"


def _source(restore: dict[str, Any]) -> str:
    return f"{line(restore.get('backup'))}, taken {stamp(restore.get('taken'))}, as {line(restore.get('database'))}"


def _answer(health: dict[str, Any]) -> str:
    return f"{_status(health)} in {integer(health.get('ms'))} ms"


def _status(health: dict[str, Any]) -> str:
    return line(health.get("status") or None, "no answer")


def _error_message(error: dict[str, Any]) -> tuple[str, str]:
    """The message's first line, with its slug, and its other lines."""
    slug, message = f"[{line(error.get('slug'), 'unnamed')}]", text(error.get("message"), "No message was recorded.")
    first, *rest = (message if message.startswith(slug) else f"{slug} {message}").split("\n", 1)
    return first, "".join(rest)


def _figures(journal: Journal) -> Element:
    span, backup = window_span(journal), mapping(journal.get("backup"))
    health = mapping(journal.get("health"))
    before, after = mapping(health.get("before")), mapping(health.get("after"))
    return figures(
        ("Downtime", duration(_downtime_seconds(journal)), tight(_probes(journal))),
        ("Window", duration(_seconds(span)), tight(f"{clock(span.start)} to {clock(span.end)}") if span else ""),
        ("Backup", size(backup.get("bytes")), tight(_verified(backup)) if backup else "none taken"),
        ("Health after", _ok(after), tight(f"{_answer(after)}, before {_answer(before)}") if after else "not checked"),
    )


def _ok(item: dict[str, Any]) -> str:
    return {True: "ok", False: "failed"}.get(item.get("ok") if isinstance(item.get("ok"), bool) else None, NOTHING)


def _error(journal: Journal) -> Element | None:
    error = mapping(journal.get("error"))
    if not error:
        return None
    # What a program printed can be long; what to do now must not stand below it.
    first, rest = _error_message(error)
    rows = [h("pre", first)]
    if error.get("state"):
        rows += [h("h3", "State now"), h("p", text(error["state"]))]
    if error.get("next"):
        rows += [h("h3", "Next command"), h("pre", code(text(error["next"])))]
    if rest:
        rows += [h("h3", "Rest of the message"), h("pre", rest)]
    return section("What went wrong", *rows, class_=f"error {_state(journal).kind}")


def _warnings(journal: Journal) -> Element | None:
    warnings = texts(journal.get("warnings"))
    return section("Warnings", h("ul", *(h("li", item) for item in warnings)), class_="warnings") if warnings else None


def _facts(journal: Journal) -> Element:
    restore = mapping(journal.get("restore"))
    rows: list[tuple[str, str | Element]] = []
    if restore:
        rows.append(("Restored from", _source(restore)))
    if silence := mapping(journal.get("silence")):
        rows.append(("Alerts silenced", f"until {stamp(silence.get('until'))}, {line(silence.get('state'))}"))
    if journal.get("switch"):
        rows.append(("Dead man's switch", line(journal["switch"])))
    if mapping(journal.get("health")).get("accepted") is True:
        rows.append(("Opened unhealthy", "accepted by whoever opened it"))
    return section(
        "Facts",
        facts(
            ("Window", code(line(journal.get("id")))),
            ("Stack", line(journal.get("stack"))),
            ("Operation", line(journal.get("operation"))),
            ("Opened", stamp(journal.get("opened"))),
            ("Ended", stamp(journal.get("ended"))),
            ("Deadline", stamp(journal.get("deadline"))),
            ("State", line(journal.get("state"))),
            ("Last phase", line(journal.get("phase"))),
            ("Epoch", line(journal.get("epoch"))),
            *rows,
        ),
    )


def _audit(journal: Journal) -> Element | None:
    """Who had a hand in it, when, and why."""
    by = mapping(journal.get("opened_by"))
    origin = [f"{word} {line(by[key])}" for key, word in (("job_id", "job"), ("revision", "revision")) if by.get(key)]
    rows = [(journal.get("opened"), "opened", by, ", ".join(origin))]
    for each in mappings(journal.get("extended")):
        rows.append((each.get("at"), "extended", mapping(each.get("by")), f"{plural(each.get('minutes'), 'minute')} more"))
    for each in mappings(journal.get("taken_over")):
        failed = mapping(each.get("error")).get("slug")
        why = f"{line(each.get('why'))}{f'; it had failed with [{line(failed)}]' if failed else ''}"
        why += f"; tried {line(each['tries'])} times" if each.get("tries") else ""
        rows.append((each.get("at"), "taken over", mapping(each.get("by")), why))
    for key, what, why in (("attended", "began to acknowledge", "nobody leads it back from then on"), ("acknowledged", "acknowledged", "")):
        if known := mapping(journal.get(key)):
            rows.append((known.get("at"), what, mapping(known.get("by")), why))
    cells = [(stamp(at), what, _person(who), why) for at, what, who, why in rows]
    return section("Audit", table("Who had a hand in the window, times in UTC", ("At", "What", "By", "Why"), cells))


def _logs(journal: Journal) -> Element | None:
    """What services said when something did not come well."""
    parts: list[Element] = []
    for each in mappings(journal.get("logs")):
        parts.append(h("h3", f"{line(each.get('service'))}, when {_WHEN.get(line(each.get('when')), 'it failed')}"))
        parts.append(h("pre", "\n".join(texts(each.get("lines"))) or NOTHING))
    return section("Log of the failure", *parts) if parts else None


def _person(by: dict[str, Any]) -> str:
    return " on ".join(line(by[key]) for key in ("user", "controller") if by.get(key)) or NOTHING


def _backup(journal: Journal) -> Element:
    backup = mapping(journal.get("backup"))
    if not backup:
        return section("Backup", h("p", "None was taken."))
    return section(
        "Backup",
        facts(
            ("Name", code(line(backup.get("name")))),
            ("Path", code(line(backup.get("path")))),
            ("Series", line(backup.get("series"))),
            ("Size", f"{size(backup.get('bytes'))} ({plural(backup.get('bytes'), 'byte')})"),
            ("Taken in", duration(number(backup.get("seconds")))),
            ("Content", _verified(backup)),
            ("sha256", code(line(backup.get("sha256")))),
        ),
    )


def _guard(journal: Journal) -> Element | None:
    """What kept others out of the database during the operation, and what it could return to."""
    door, point = mapping(journal.get("door")), mapping(journal.get("rollback_point"))
    rows: list[tuple[str, str | Element]] = []
    if door:
        ended = plural(door.get("sessions_ended"), "session")
        rows.append(("Door", f"{line(door.get('state'))} now; shut in {duration(number(door.get('seconds')))}, {ended} ended"))
    if point:
        rows.append(("Rollback point", code(line(point.get("name")))))
        rows.append(("Size", f"{size(point.get('bytes'))}, taken in {duration(number(point.get('seconds')))}"))
        rows.append(("It was", line(point.get("state"))))
        if point.get("failed_database"):
            rows.append(("Failed database", code(line(point.get("failed_database")))))
    return section("Guard of the operation", facts(*rows)) if rows else None


def _services(journal: Journal) -> Element | None:
    rows = []
    for service in mappings(journal.get("services")):
        before = (short_image(service.get("image_before")), line(service.get("release_before"), ""))
        after = (short_image(service.get("image_after")), line(service.get("release_after"), ""))
        running = {True: "running", False: "not running"}.get(service.get("running_before") is True)
        policy = f"restart {line(service.get('restart_policy'))}" if service.get("restart_policy") else ""
        how = ", ".join(part for part in (running if "running_before" in service else "", policy) if part)
        same = before == after and any(before)
        rows.append(
            (line(service.get("name")), line(service.get("kind")), how or NOTHING, _image(*before), "unchanged" if same else _image(*after))
        )
    if not rows:
        return None
    columns = ("Service", "Kind", "Found", "Image before", "Image after")
    return section("Services", table("Services that the window stopped and started", columns, rows))


def _image(identifier: str, release: str) -> Element:
    if not identifier or not release:
        return h("span", identifier or release or NOTHING)
    return h("span", release, h("br"), h("span", identifier, class_="note"))


def _migrations(journal: Journal) -> Element | None:
    migrations = mapping(journal.get("migrations"))
    if not migrations:
        return None
    pending, applied = texts(migrations.get("pending")), texts(migrations.get("applied"))
    rows = [(code(name), result("applied" if name in applied else "not applied")) for name in pending]
    rows += [(code(name), result("applied, was not planned")) for name in applied if name not in pending]
    known = number(migrations.get("applied_before"))
    words = [f"{plural(known, 'migration')} applied before the window."] if known is not None else []
    seconds, rehearsed = number(migrations.get("seconds")), mapping(migrations.get("rehearsed"))
    if rehearsed:
        words.append(f"Rehearsed on {line(rehearsed.get('backup'))} in {duration(number(rehearsed.get('seconds')))}.")
    if seconds is not None:
        words.append(f"They took {duration(seconds)}; public has {plural(migrations.get('tables'), 'table')} now.")
    body = table("Migrations of the window", ("Migration", "Result"), rows) if rows else h("p", "None was pending.")
    titles = (("destructive", "Destroyed data"), ("locking", "Held locks"), ("suppressed", "Comments that were not obeyed"))
    found = [
        h("div", h("h3", title), h("ul", *(h("li", item) for item in texts(migrations.get(key)))))
        for key, title in titles
        if texts(migrations.get(key))
    ]
    return section("Migrations", h("p", " ".join(words)) if words else None, body, *found)


def _health(journal: Journal) -> Element | None:
    health = mapping(journal.get("health"))
    rows, bodies = [], []
    for when in ("before", "after"):
        check = mapping(health.get(when))
        if check:
            rows.append((when.capitalize(), _status(check), integer(check.get("ms")), result(_ok(check)), line(check.get("url"))))
        said = check.get("body") or check.get("reason")
        if said:
            bodies.append(h("div", h("h3", f"Answer {when}"), h("pre", text(said))))
        if texts(check.get("flaws")):
            bodies.append(h("div", h("h3", f"Not well {when}"), h("ul", *(h("li", flaw) for flaw in texts(check.get("flaws"))))))
    if not rows:
        return None
    columns = ("When", "Status", "ms", "Result", "URL")
    return section(
        "Health",
        table("Health of the application", columns, rows, numeric=("ms",)),
        h("div", *bodies, class_="pair") if bodies else None,
    )


def _announcements(journal: Journal) -> Element | None:
    rows = [
        (line(item.get("event")), clock(moment(item.get("at"))), line(item.get("sender")), result(_ok(item)), text(item.get("answer")))
        for item in mappings(journal.get("announcements"))
    ]
    if not rows:
        return None
    return section("Announcements", table("Announcements, times in UTC", ("Event", "At", "Sender", "Result", "Answer"), rows))


_SECTIONS: tuple[Callable[[Journal], Element | None], ...] = (
    _error,
    _warnings,
    _logs,
    drawing,
    listing,
    _facts,
    _audit,
    _backup,
    _guard,
    _services,
    _migrations,
    _health,
    _announcements,
)
