# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._report import render_html, render_markdown, summary_lines, verdict
from ansible_collections.amanat.dbops.plugins.module_utils._report_timeline import MAX_TICKS, ticks
from ansible_collections.amanat.dbops.plugins.module_utils._report_values import TEXT_LIMIT, clock, duration, line, moment, size, text
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.report.samples import JOURNALS as SAMPLES
from tests.integration.report.samples import replaced

HOSTILE = (
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "]]><!--",
    "&lt;b&gt; &amp;",
    "{{ 7 * 7 }} {subject}",
    "\x00\x1b[2J\u202e\ud800",
    "a\r\nb\n\u2028c",
)
VOID = {"br", "link", "meta"}
ATTRIBUTES = {
    *("aria-hidden", "aria-labelledby", "charset", "class", "content", "data-label", "dx", "height", "href", "http-equiv", "id", "lang"),
    *("name", "rel", "role", "scope", "width", "x", "x1", "x2", "y", "y1", "y2"),
}


class Page(HTMLParser):
    """A page as its tags in order, its attributes and its text; fails on a tag that is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\N{NO-BREAK SPACE}", " ")


def page(journal: dict[str, Any]) -> Page:
    html = render_html(journal)
    html.encode("utf-8")
    parsed = Page(html)
    assert {name for name, _ in parsed.attributes} <= ATTRIBUTES
    assert [value for name, value in parsed.attributes if name == "href"] == ["data:,"]
    assert "script" not in parsed.tags
    assert parsed.tags.count("h1") == 1
    return parsed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("closed", "Migration of production/nickapp completed with 6.4 s of downtime."),
        ("rolled_back", "Migration of production/nickapp was rolled back with 64.8 s of downtime; the services run what they ran before."),
        ("failed", "Migration of production/nickapp failed with 110.6 s of downtime; a person is needed."),
        ("aborted", "Migration of production/nickapp was aborted; no service was stopped."),
        ("open", "Migration of production/nickapp is under way."),
    ],
)
def test_verdict(name: str, words: str) -> None:
    assert verdict(SAMPLES[name]) == words
    assert words in page(SAMPLES[name]).text
    assert summary_lines(SAMPLES[name])[0] == words


@pytest.mark.parametrize(
    ("journal", "words"),
    [
        ({}, "Operation maintenance on an unnamed stack has no recorded end; look at the target."),
        (
            {"operation": "none", "stack": "staging/a", "state": "closed", "downtime": {"seconds": 0.0}},
            "Window without an operation on staging/a completed without downtime.",
        ),
        ({"operation": "custom", "stack": "staging/a", "state": "closed", "downtime": {}}, "Custom operation on staging/a completed."),
        ({"operation": "vacuum", "stack": "{subject}", "state": "closed"}, "Operation vacuum on {subject} completed."),
    ],
)
def test_verdict_with_little_known(journal: dict[str, Any], words: str) -> None:
    assert verdict(journal) == words


def test_a_restore_names_its_source() -> None:
    names = {"backup": "amanat_pg_2026-11-22T030000Z.pgdir", "database": "amanat__new_20261122T170102Z"}
    journal = {"operation": "restore", "restore": {**names, "taken": "2026-11-22T03:00:00.000Z"}}
    words = f"{names['backup']}, taken 2026-11-22 03:00:00 UTC, as {names['database']}"
    assert f"restore: {words}" in summary_lines(journal)
    assert f"Restored from {words}" in page(journal).text


def test_what_is_not_well_is_named() -> None:
    flaw = "there is no table payments"
    check = {"url": "http://127.0.0.1:5001/", "status": 200, "ok": False, "ms": 3, "flaws": [flaw]}
    assert f"Not well after {flaw}" in page({"health": {"after": check}}).text


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "closed",
            [
                *("2026-11-22T170102Z-7f3a", "alice on ops-1", "4711", "9f2c41d", "2026-11-22 17:01:02 UTC", "backed up", "18.4 s"),
                *("c1f9083e5ad7b46213e8f0c97b5d42a6083c1fe7954ab20d91d7c35e0af84b26", "4,812,377 rows in 32 tables verified"),
                *("237.7 MiB (249,214,003 bytes)", "nickapp/backend:2.10.0", "sha256:91d7c35e0af8", "unchanged", "0019_add_payment_fee"),
                *("19 migrations applied before the window.", "http://127.0.0.1:5001/api/health", '"release": "2"'),
                *("Rehearsed on amanat_pg_2026-11-22T030000Z.pgdir in 2.9 s.", "They took 3.1 s; public has 32 tables now."),
                *("Destroyed data", "0019_add_payment_fee.sql line 3 drops column fee of payments (ban-drop-column, pglast and squawk)"),
                *("17:31:02.1", "Estimates are what window 2026-11-15T030000Z-1c2e took, with 7.1 s of downtime.", "19.8 s", "systemd"),
                *("job 4711, revision 9f2c41d",),
                *("no answer within 5 s", "32 of 208 probes failed, one every 0.2 s", "41.8 s of 30 min used", "MONGO_URI"),
            ],
        ),
        (
            "rolled_back",
            [
                "[health-gate]",
                "Next command",
                "playbooks/maintenance.yml",
                "Ran 29.3 s past its 60.0 s",
                "deadline 2026-11-22 17:02:02 UTC",
                "17:02:02.1 late",
                "backend, when what the window brought was not healthy",
                '"msg":"relation payments_fee does not exist"',
                "extended jo on admin-2 15 minutes more",
            ],
        ),
        ("failed", ["dead man's switch on db-1", "it had failed with [migration-failed]"]),
        ("failed", ["began to acknowledge jo on admin-2", "2026-11-22 18:04:31 UTC acknowledged jo on admin-2"]),
        ("closed", ["Alerts silenced until 2026-11-22 17:41:02 UTC, expired"]),
        ("open", ["Opened unhealthy accepted by whoever opened it", "redis.ok is false, not true"]),
        ("failed", ["[migration-failed]", "Rest of the message", "characters left out", "unfinished", "no answer", "not applied"]),
        ("aborted", ["None was taken.", "not measured", "not checked", "skipped", "df -h /var/backups/dbops"]),
    ],
)
def test_page_tells(name: str, facts: list[str]) -> None:
    words = page(SAMPLES[name]).text
    assert [fact for fact in facts if fact not in words] == []


def test_page_leaves_out_what_there_is_not() -> None:
    words = page(SAMPLES["aborted"]).text
    assert [title for title in ("Services", "Migrations", "Warnings") if title in words] == []
    assert "What went wrong" not in page(SAMPLES["closed"]).text


def test_what_to_do_stands_above_what_a_program_printed() -> None:
    words = page(SAMPLES["failed"]).text
    assert words.index("Next command") < words.index("ERROR:  canceling statement")


def test_slug_is_not_repeated() -> None:
    assert page({"error": {"slug": "a-b", "message": "[a-b] it broke"}}).text.count("[a-b]") == 1


def test_acknowledged_window_says_by_whom() -> None:
    acknowledged = {"at": "2026-11-22T18:00:00.000Z", "by": {"user": "bob"}}
    journal = {"attended": {"at": "2026-11-22T17:59:00.000Z", "by": {"user": "jo"}}, "acknowledged": acknowledged}
    assert "- **Window**" in render_markdown(journal)
    assert "2026-11-22 17:59:00 UTC began to acknowledge jo" in page(journal).text
    assert "2026-11-22 18:00:00 UTC acknowledged bob" in page(journal).text


def test_bars_and_downtime_are_to_scale() -> None:
    journal = {
        "opened": "2026-11-22T17:00:00Z",
        "phases": [
            {"name": "a", "started": "2026-11-22T17:00:00Z", "ended": "2026-11-22T17:00:50Z", "result": "ok"},
            {"name": "b", "started": "2026-11-22T17:00:50Z", "ended": "2026-11-22T17:01:40Z", "result": "ok"},
        ],
        "downtime": {"seconds": 25, "from": "2026-11-22T17:00:40Z", "to": "2026-11-22T17:01:05Z", "failures": 1},
    }
    rectangles = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%" [^>]*class="(bar ok|down)"', render_html(journal))
    assert sorted(rectangles) == [("0.000", "50.000", "bar ok"), ("40.000", "25.000", "down"), ("50.000", "50.000", "bar ok")]


@pytest.mark.parametrize("name", SAMPLES)
def test_page_is_a_document(name: str) -> None:
    html, parsed = render_html(SAMPLES[name]), page(SAMPLES[name])
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    levels = [int(tag[1]) for tag in parsed.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels))
    assert html.count("<table ") == html.count("<caption>") > 0


def test_any_key_may_be_missing_or_of_another_type() -> None:
    def broken(value: Any) -> list[Any]:
        """Copies of the value, each with one key of any depth missing or wrong."""
        if isinstance(value, list):
            return [[*value[:index], copied, *value[index + 1 :]] for index, item in enumerate(value) for copied in broken(item)]
        if not isinstance(value, dict):
            return []
        copies = []
        for key, item in value.items():
            rest = {other: kept for other, kept in value.items() if other != key}
            copies.append(rest)
            copies += [{**rest, key: wrong} for wrong in (None, -1, "x", [None], {"x": 1})]
            copies += [{**rest, key: copied} for copied in broken(item)]
        return copies

    whole = {**SAMPLES["closed"], "error": SAMPLES["failed"]["error"]}
    for key in ("phases", "services", "announcements"):
        whole[key] = whole[key][:1]
    for journal in broken(whole):
        render_html(journal)
        assert summary_lines(journal)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_changes_no_markup(name: str, hostile: str) -> None:
    journal = copy.deepcopy(SAMPLES[name])
    journal["error"] = {}  # the number of its lines shapes the page
    plain, attacked = page(replaced(journal, "x")), page(replaced(journal, hostile))
    assert attacked.tags == plain.tags
    assert [name for name, _ in attacked.attributes] == [name for name, _ in plain.attributes]
    assert line(hostile) in attacked.text


times = st.one_of(
    st.datetimes().map(lambda value: value.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(["", "soon", "2026-11-22T17:01:02Z", "2026-02-31T00:00:00Z", "2026-11-22T17:01:02.123456789+00:00", None]),
)
words = st.one_of(st.text(st.characters(codec=None), max_size=40), st.sampled_from(HOSTILE), st.none())
numbers = st.one_of(st.integers(), st.floats(), st.none(), st.just(10**400))
flags = st.one_of(st.booleans(), st.none())
bodies = st.recursive(
    st.one_of(words, numbers, flags), lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=5
)
answers = {"url": words, "status": numbers, "ok": flags, "ms": numbers, "body": bodies, "reason": words}
checks = st.fixed_dictionaries({}, optional={**answers, "flaws": st.lists(words)})


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


def several(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(some(**keys), max_size=9)


journals = some(
    restore=some(backup=words, taken=times, database=words),
    version=numbers,
    id=words,
    stack=words,
    operation=st.one_of(st.sampled_from(["none", "migrate", "restore", "upgrade_postgres", "upgrade_redis", "custom"]), words),
    epoch=numbers,
    state=st.one_of(st.sampled_from(["open", "closed", "rolled_back", "aborted", "failed"]), words),
    phase=words,
    opened_by=some(user=words, controller=words, job_id=words, revision=words),
    opened=times,
    ended=times,
    deadline=times,
    phases=several(
        name=words, started=times, ended=times, result=st.one_of(st.sampled_from(["ok", "failed", "skipped"]), words), detail=words
    ),
    services=several(
        name=words,
        kind=words,
        image_before=words,
        image_after=words,
        release_before=words,
        release_after=words,
        running_before=flags,
        restart_policy=words,
    ),
    backup=some(name=words, path=words, sha256=words, bytes=numbers, seconds=numbers, tables=numbers, rows=numbers, series=words),
    migrations=some(
        applied_before=numbers,
        pending=st.lists(words),
        applied=st.lists(words),
        seconds=numbers,
        tables=numbers,
        destructive=st.lists(words),
        locking=st.lists(words),
        suppressed=st.lists(words),
        rehearsed=some(backup=words, seconds=numbers),
    ),
    health=some(before=checks, after=checks, accepted=flags),
    silence=some(until=times, state=words),
    attended=some(at=times, by=some(user=words)),
    acknowledged=some(at=times, by=some(user=words)),
    announcements=several(event=words, at=times, sender=words, ok=flags, answer=words),
    downtime=some(**{"seconds": numbers, "from": times, "to": times, "probes": numbers, "failures": numbers, "interval": numbers}),
    warnings=st.lists(words),
    estimate=some(window=words, downtime=numbers, phases=st.dictionaries(st.sampled_from(["opened", "closed"]), numbers)),
    logs=several(service=words, when=words, lines=st.lists(words)),
    extended=several(at=times, by=some(user=words), minutes=numbers),
    taken_over=several(at=times, by=some(user=words), why=words, error=some(slug=words)),
    error=some(slug=words, message=words, state=words, next=words),
)


@settings(max_examples=150)
@given(journals)
def test_every_journal_renders(journal: dict[str, Any]) -> None:
    page(journal)
    assert render_markdown(journal).startswith("Maintenance window ")
    for row in summary_lines(journal):
        assert {unicodedata.category(character) for character in row}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


def test_summary() -> None:
    assert summary_lines(SAMPLES["aborted"]) == [
        "Migration of production/nickapp was aborted; no service was stopped.",
        "  preflight  1.3 s  ok",
        "  opened     0.7 s  ok",
        "  backed_up  6.1 s  failed",
        "  stopped    0.0 s  skipped",
        "  window     8.9 s  aborted",
        "  downtime       –  not measured",  # noqa: RUF001
        "error: [backup-disk-full] pg_dump could not write: No space left on device under /var/backups/dbops.",
        "state: The old release runs and was never stopped; the partial backup was removed.",
        "next: df -h /var/backups/dbops",
    ]
    assert "backup: amanat_pg_2026-11-22T170103Z.pgdir (237.7 MiB, 4,812,377 rows in 32 tables verified)" in summary_lines(
        SAMPLES["closed"]
    )
    unread = {key: value for key, value in SAMPLES["closed"]["backup"].items() if key != "verified_rows"}
    assert "backup: amanat_pg_2026-11-22T170103Z.pgdir (237.7 MiB, 4,812,377 rows in 32 tables not verified)" in summary_lines(
        {**SAMPLES["closed"], "backup": unread}
    )
    assert "  downtime    6.4 s  32 of 208 probes failed, one every 0.2 s" in summary_lines(SAMPLES["closed"])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),  # noqa: RUF001
        (-1, "–"),  # noqa: RUF001
        (0, "0.0 s"),
        (0.01, "< 0.1 s"),
        (4.24, "4.2 s"),
        (59.96, "60.0 s"),
        (119.96, "2 min"),
        (125, "2 min 05 s"),
        (3599.7, "1 h"),
        (3600, "1 h"),
        (7260, "2 h 01 min"),
    ],
)
def test_duration(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (249214003, "237.7 MiB"), (5 * 1024**4, "5.0 TiB"), ("7", "–"), (True, "–")],  # noqa: RUF001
)
def test_size(value: object, words: str) -> None:
    assert size(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-22T17:01:02.987Z", "17:01:02.9"),
        ("2026-11-22T17:01:02Z", "17:01:02.0"),
        ("2026-11-22 17:01:02+00:00", "17:01:02.0"),
        ("2026-11-22T17:01:02+01:00", "–"),  # noqa: RUF001
        ("2026-13-22T17:01:02Z", "–"),  # noqa: RUF001
        (20261122, "–"),  # noqa: RUF001
    ],
)
def test_moment(value: object, words: str) -> None:
    assert clock(moment(value)) == words


@given(st.floats(0.001, 1e9))
def test_ticks_are_few_and_within(seconds: float) -> None:
    marks = ticks(seconds)
    assert 1 <= len(marks) <= MAX_TICKS + 1
    assert all(0 <= at <= seconds for at, _ in marks)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (43, ["0", "10", "20", "30", "40 s"]),
        (600, ["0", "2", "4", "6", "8", "10 min"]),
        (9000, ["0", "30", "60", "90", "120", "150 min"]),
    ],
)
def test_ticks(seconds: float, labels: list[str]) -> None:
    assert [label for _, label in ticks(seconds)] == labels


def test_long_text_keeps_its_ends_by_whole_lines() -> None:
    lines = [f"line {number}" for number in range(2000)]
    kept = text("\n".join(lines)).split("\n")
    assert kept[0] == lines[0]
    assert kept[-1] == lines[-1]
    assert [row for row in kept if row not in lines and "characters left out" not in row] == []
    assert len("\n".join(kept)) < TEXT_LIMIT + 100
