# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The window's state machine: every phase with every step, and no sequence of steps that leads to an illegal journal."""

from __future__ import annotations

import copy
import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

NOW = datetime(2026, 11, 22, 17, 1, 2, 345678, timezone.utc)
BY = {"user": "mo", "controller": "laptop"}
CLOCK = _window.Clock("this start", 1000.0)
AFTER_PREFLIGHT = _window.PHASES[1:]
ENDS = ("closed", "rolled_back", "aborted", "failed")
BEFORE_THE_STOP = {"opened", "backed_up"}
OWN_KEYS = (
    "version",
    "id",
    "stack",
    "operation",
    "epoch",
    "state",
    "opened_by",
    "opened",
    "deadline",
    "phase",
    "phases",
    "attended",
    "acknowledged",
)
OWN_KEYS += ("clock", "seconds", "taken_over")

Journal = dict[str, Any]


def opened(**record: Any) -> Journal:
    return _window.new("w1", "production/nickapp", "migrate", BY, 60, "", NOW, CLOCK, record)


def at(phase: str) -> Journal:
    journal = opened()
    for following in AFTER_PREFLIGHT[1 : AFTER_PREFLIGHT.index(phase) + 1]:
        journal = _window.advance(journal, following, NOW, CLOCK, {})
    return journal


def ended(state: str) -> Journal:
    phase = {"closed": "closed", "rolled_back": "operated", "aborted": "opened", "failed": "started"}[state]
    return _window.close(at(phase), state, NOW, {})


def slug_of(step: Any, *arguments: Any) -> str:
    with pytest.raises(OperationError) as caught:
        step(*arguments)
    assert caught.value.state
    assert caught.value.next_step
    return caught.value.slug


def test_what_is_noted_by_several_is_kept_of_all() -> None:
    journal = opened(warnings=["by the target"], announcements=[{"event": "extended"}])
    told = {"announcements": [{"event": "planned"}, {"event": "extended"}], "warnings": ["by the controller"], "backup": {"name": "b"}}
    ended = _window.close(_window.annotate(journal, told), "aborted", NOW, told)
    assert ended["announcements"] == [{"event": "extended"}, {"event": "planned"}]
    assert ended["warnings"] == ["by the target", "by the controller"]
    assert (ended["backup"], opened(warnings=["a"])["warnings"], journal["warnings"]) == ({"name": "b"}, ["a"], ["by the target"])


def test_a_thread_is_not_forgotten_by_whoever_does_not_know_of_it() -> None:
    journal = _window.annotate(opened(), {"messages": {"0": {"ts": "1"}, "1": {"ts": "2"}}})
    journal = _window.advance(journal, "backed_up", NOW, CLOCK, {"messages": {}})
    assert _window.annotate(journal, {"messages": {"1": {"ts": "3"}}})["messages"] == {"0": {"ts": "1"}, "1": {"ts": "3"}}
    assert _window.annotate(journal, {"warnings": []})["messages"] == {"0": {"ts": "1"}, "1": {"ts": "2"}}


def test_who_was_told_stands_in_the_order_in_which_it_was_said() -> None:
    said = [{"event": event, "at": f"2026-11-22T17:0{minute}:00.000Z"} for minute, event in enumerate(("planned", "starting", "failed"))]
    told = _window.joined(_window.joined({}, {"announcements": [said[0], said[2]]}), {"announcements": said[:2]})
    assert told["announcements"] == said


def test_a_new_window_has_its_preflight_behind_it() -> None:
    journal = _window.new("w1", "production/nickapp", "migrate", BY, 90, "2026-11-22T17:00:59.000Z", NOW, CLOCK, {"services": [1]})
    assert journal == {
        "version": 2,
        "id": "w1",
        "stack": "production/nickapp",
        "operation": "migrate",
        "epoch": 1,
        "state": "open",
        "opened_by": BY,
        "opened": "2026-11-22T17:01:02.345Z",
        "deadline": "2026-11-22T18:31:02.345Z",
        "clock": {"boot": "this start", "seconds": 1000.0},
        "seconds": 5400,
        "phase": "opened",
        "phases": [
            {"name": "preflight", "started": "2026-11-22T17:00:59.000Z", "ended": "2026-11-22T17:01:02.345Z", "result": "ok"},
            {"name": "opened", "started": "2026-11-22T17:01:02.345Z"},
        ],
        "services": [1],
    }


@pytest.mark.parametrize(("phase", "following"), list(itertools.product(AFTER_PREFLIGHT, _window.PHASES)))
def test_a_phase_is_followed_by_the_next_one_only(phase: str, following: str) -> None:
    journal = at(phase)
    if _window.PHASES.index(following) != _window.PHASES.index(phase) + 1:
        assert slug_of(_window.advance, journal, following, NOW, CLOCK, {}) == "window-order"
        return
    after = _window.advance(journal, following, NOW + timedelta(seconds=3), CLOCK, {"backup": {"name": "b"}})
    assert after["phase"] == following
    assert after["phases"][-2] == {**journal["phases"][-1], "ended": "2026-11-22T17:01:05.345Z", "result": "ok"}
    assert after["phases"][-1] == {"name": following, "started": "2026-11-22T17:01:05.345Z"}
    assert after["backup"] == {"name": "b"}


@pytest.mark.parametrize(("phase", "state"), list(itertools.product(AFTER_PREFLIGHT, ENDS)))
def test_a_window_ends_as_its_phase_allows(phase: str, state: str) -> None:
    legal = {
        "failed": True,
        "aborted": phase in BEFORE_THE_STOP,
        "rolled_back": phase not in BEFORE_THE_STOP and phase != "closed",
        "closed": phase == "closed",
    }[state]
    journal = at(phase)
    if not legal:
        assert slug_of(_window.close, journal, state, NOW, {}) == "window-order"
        return
    after = _window.close(journal, state, NOW, {"error": {"message": "It broke."}} if state != "closed" else {})
    assert (after["state"], after["ended"], after["phase"]) == (state, "2026-11-22T17:01:02.345Z", phase)
    last = after["phases"][-1]
    assert (last["name"], last["result"]) == (phase, "ok" if state == "closed" else "failed")
    assert last.get("detail") == (None if state == "closed" else "It broke.")


@pytest.mark.parametrize("state", ENDS)
def test_nothing_follows_the_end(state: str) -> None:
    journal = ended(state)
    for phase in _window.PHASES:
        assert slug_of(_window.advance, journal, phase, NOW, CLOCK, {}) == "window-order"
    for other in ENDS:
        assert slug_of(_window.close, journal, other, NOW, {}) == "window-order"


# -- time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", AFTER_PREFLIGHT)
def test_each_phase_has_its_share(phase: str) -> None:
    """60 minutes from second 1000 on."""
    assert _window.left(at(phase), _window.Clock("this start", 1000.0)) == pytest.approx(_window.SHARES[phase] * 3600)
    assert _window.left(at(phase), _window.Clock("this start", 4601.0)) < 0
    assert _window.left(at(phase), _window.Clock("another start", 1000.0)) < 0


@pytest.mark.parametrize(
    ("opened", "now", "anew"),
    [
        ("b1/100", "b1/100", False),
        ("b1/100", "b1/200", True),
        ("b1/100", "b2/100", True),
        # Where others' processes are hidden from one of the two.
        ("b1/", "b1/200", False),
        ("b1/100", "b1/", False),
        ("b1/", "b2/", True),
        # Written by a release that knew no clock.
        ("", "b1/100", True),
    ],
)
def test_a_target_was_started_anew_where_that_is_seen(opened: str, now: str, anew: bool) -> None:
    journal = {**at("stopped"), "clock": {"boot": opened, "seconds": 1000.0}}
    assert _window.started_anew(journal, _window.Clock(now, 1001.0)) == anew
    assert (_window.rest(journal, _window.Clock(now, 1001.0)) < 0) == anew


def test_the_shares_grow() -> None:
    """So that a phase which begins can only put the switch off."""
    shares = [_window.SHARES[phase] for phase in AFTER_PREFLIGHT]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("phase", AFTER_PREFLIGHT[:-1])
def test_an_overrun_ends_the_window_unless_the_application_runs_again(phase: str) -> None:
    late = _window.Clock("this start", 1000.0 + 3601)
    following = _window.PHASES[_window.PHASES.index(phase) + 1]
    if phase in _window.BUDGETED:
        assert slug_of(_window.advance, at(phase), following, NOW, late, {}) == "window-overrun"
    else:
        assert _window.advance(at(phase), following, NOW, late, {})["phase"] == following


def test_a_short_window_is_not_aborted_for_what_is_done_while_nothing_is_down() -> None:
    """To tell people and Alertmanager takes as long in a window of five minutes as in one of an hour."""
    short = {**opened(), "seconds": 300}
    assert _window.advance(short, "backed_up", NOW, _window.Clock("this start", 1000.0 + 60), {})["phase"] == "backed_up"


def test_more_time_is_more_for_every_phase() -> None:
    longer = _window.extend(opened(), 30, BY, NOW)
    assert (longer["deadline"], longer["seconds"]) == ("2026-11-22T18:31:02.345Z", 5400)
    assert longer["extended"] == [{"at": "2026-11-22T17:01:02.345Z", "by": BY, "minutes": 30}]
    assert _window.left(longer, CLOCK) == pytest.approx(_window.SHARES["opened"] * 5400)
    assert slug_of(_window.extend, ended("failed"), 30, BY, NOW) == "window-ended"


@pytest.mark.parametrize(
    ("until", "minutes"),
    [
        ("2026-11-22T18:31Z", 30),  # the deadline is 18:01:02.345
        ("2026-11-22T19:31:02.345+01:00", 30),
        ("2026-11-22 18:01:02.346+00:00", 1),
        ("2026-11-22T18:01:02.345Z", 0),
        ("2026-11-22T17:30Z", 0),
    ],
)
def test_a_moment_is_a_moment_however_often_it_is_said(until: str, minutes: int) -> None:
    assert _window.minutes_until(opened(), until, NOW) == minutes
    longer = _window.extend(opened(), minutes, BY, NOW)
    assert _window.minutes_until(longer, until, NOW) == 0
    assert _window.extend(longer, 0, BY, NOW) == longer


@pytest.mark.parametrize("until", ["18:30", "2026-11-22T18:30", "2026-11-22T17:00Z", "in an hour", "2026-11-22"])
def test_a_moment_that_is_none_or_over_is_refused(until: str) -> None:
    assert slug_of(_window.minutes_until, opened(), until, NOW) == "until-unusable"


@pytest.mark.parametrize("state", ["open", "closed", "rolled_back", "aborted", "failed"])
def test_who_takes_over_raises_the_epoch(state: str) -> None:
    journal = opened() if state == "open" else ended(state)
    if state not in ("open", "failed"):
        assert slug_of(_window.take_over, journal, BY, "it broke", NOW) == "window-ended"
        return
    taken = _window.take_over(journal, BY, "it broke", NOW)
    assert (taken["state"], taken["epoch"], "ended" in taken) == ("open", 2, False)
    assert taken["taken_over"] == [{"at": "2026-11-22T17:01:02.345Z", "by": BY, "why": "it broke", "epoch": 2}]


def test_a_failed_window_is_acknowledged() -> None:
    after = _window.acknowledge(ended("failed"), BY, NOW)
    assert after["acknowledged"] == {"at": "2026-11-22T17:01:02.345Z", "by": BY}
    assert after["state"] == "failed", "the truth stays what it was"


@pytest.mark.parametrize("journal", [opened(), *map(ended, ("closed", "rolled_back", "aborted"))], ids=lambda journal: journal["state"])
def test_no_other_window_is_acknowledged(journal: Journal) -> None:
    assert slug_of(_window.acknowledge, journal, BY, NOW) == "window-not-failed"


@pytest.mark.parametrize("key", OWN_KEYS)
def test_a_record_cannot_change_what_the_machine_says(key: str) -> None:
    record = {key: "anything"}
    assert slug_of(_window.new, "w1", "production/nickapp", "none", BY, 60, "", NOW, CLOCK, record) == "window-record"
    assert slug_of(_window.advance, opened(), "backed_up", NOW, CLOCK, record) == "window-record"
    assert slug_of(_window.close, opened(), "aborted", NOW, record) == "window-record"


def test_a_record_replaces_what_an_earlier_one_said() -> None:
    journal = _window.advance(opened(services=["before"], kept=1), "backed_up", NOW, CLOCK, {"services": ["after"]})
    assert (journal["services"], journal["kept"]) == (["after"], 1)


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        (_window.advance, (at("opened"), "backed_up", NOW, CLOCK, {"x": 1})),
        (_window.close, (at("opened"), "failed", NOW, {"error": {"message": "x"}})),
        (_window.attend, (ended("failed"), BY, NOW)),
        (_window.acknowledge, (ended("failed"), BY, NOW)),
    ],
)
def test_a_step_leaves_the_journal_that_it_was_given(step: Any, arguments: tuple[Any, ...]) -> None:
    before = copy.deepcopy(arguments[0])
    after = step(*arguments)
    after["phases"][0]["name"] = "changed"
    assert arguments[0] == before


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-11-22T17:01:02.345Z"),
        (datetime(2026, 11, 22, 19, 1, 2, 0, timezone(timedelta(hours=2))), "2026-11-22T17:01:02.000Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 999999, timezone.utc), "2026-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_utc(moment: datetime, text: str) -> None:
    assert _window.stamp(moment) == text
    assert _window.window_id(moment, "a1b2") == f"{text[:13]}{text[14:16]}{text[17:19]}Z-a1b2"


@pytest.mark.parametrize(
    ("by", "text"),
    [
        (BY, "opened 2026-11-22T17:01:02.345Z by mo from laptop"),
        ({"user": "mo"}, "opened 2026-11-22T17:01:02.345Z by mo"),
        ({}, "opened 2026-11-22T17:01:02.345Z by somebody"),
    ],
)
def test_who_is_met_is_described(by: dict[str, str], text: str) -> None:
    described = _window.describe(_window.new("w1", "production/nickapp", "none", by, 60, "", NOW, CLOCK, {}))
    assert described == f"window w1 (none) on production/nickapp, open in phase opened, {text}"


def test_a_second_window_is_told_who_and_since_when() -> None:
    refusal = _window.refusal(opened())
    assert refusal.slug == "window-open"
    assert "opened 2026-11-22T17:01:02.345Z by mo from laptop" in refusal.what


def test_a_failed_window_has_to_be_acknowledged_by_its_id() -> None:
    failed = _window.close(at("started"), "failed", NOW, {"error": {"message": "x", "state": "The old data is served."}})
    refusal = _window.refusal(failed, _window.advice(failed, over=True, busy=False))
    assert (refusal.slug, refusal.state) == ("window-failed", "The old data is served.")
    assert refusal.next_step == "Read its report, then: ansible-playbook playbooks/acknowledge.yml -e dbops_window=w1"
    assert _window.refusal(ended("failed")).state, "nobody has said what is true, and the refusal still says something"


@pytest.mark.parametrize(
    ("over", "busy", "end"),
    [
        (False, False, "Wait for it; its time ends 2026-11-22T18:01:02.345Z."),
        (True, False, ": ansible-playbook playbooks/recover.yml -e dbops_window=w1"),
        (True, True, ": ansible-playbook playbooks/abort.yml -e dbops_window=w1"),
    ],
)
def test_nobody_is_told_to_wait_for_a_window_that_nobody_ends(over: bool, busy: bool, end: str) -> None:
    assert _window.advice(opened(), over=over, busy=busy).endswith(end)


TAKEN = "2026-11-22T17:30:00.000Z"


@pytest.mark.parametrize(
    ("told", "heard", "unheard"),
    [
        ([], False, False),  # nobody was to be told
        ([("needs_a_person", "2026-11-22T17:31:00.000Z", False)], False, True),
        ([("needs_a_person", "2026-11-22T17:31:00.000Z", False), ("needs_a_person", "2026-11-22T17:32:00.000Z", True)], True, False),
        # Of another end, before somebody tried to bring it to a better one.
        ([("needs_a_person", "2026-11-22T17:29:00.000Z", True), ("needs_a_person", "2026-11-22T17:31:00.000Z", False)], False, True),
        ([("starting", "2026-11-22T17:31:00.000Z", True)], False, False),
    ],
)
def test_of_an_end_it_is_known_whether_somebody_has_heard(told: list[tuple[str, str, bool]], heard: bool, unheard: bool) -> None:
    said = [{"event": event, "at": at, "sender": "webhook", "ok": ok, "answer": ""} for event, at, ok in told]
    journal = {**ended("failed"), "announcements": said, "taken_over": [{"at": TAKEN}]}
    assert (_window.is_heard(journal, "needs_a_person"), _window.is_unheard(journal)) == (heard, unheard)


def test_a_window_that_ended_meanwhile_is_no_crash() -> None:
    assert _window.refusal({}).slug == "window-open"


KEYS = st.sampled_from([*OWN_KEYS, "services", "backup", "error"])
RECORDS = st.dictionaries(KEYS, st.just({"message": "x"}) | st.just({}), max_size=2)


@settings(max_examples=200, stateful_step_count=20)
class Windows(RuleBasedStateMachine):
    """Whatever is asked for in whatever order, the journal is one that a window can have."""

    journal: Journal

    @initialize(minutes=st.integers(0, 1440))
    def open(self, minutes: int) -> None:
        self.now, self.attended = NOW, 0
        self.journal = _window.new("w1", "production/nickapp", "none", BY, minutes, "", self.now, CLOCK, {})

    def _try(self, step: Any, *arguments: Any) -> None:
        before = copy.deepcopy(self.journal)
        self.now += timedelta(seconds=1)
        try:
            after = step(self.journal, *arguments)
        except OperationError:
            assert self.journal == before
        else:
            # The past is never rewritten: a step completes the last phase, or adds one, or adds a key.
            assert after["phases"][: len(before["phases"]) - 1] == before["phases"][:-1]
            assert before["state"] == "open" or step in (_window.attend, _window.acknowledge, _window.take_over)
            self.journal = after

    @rule(phase=st.sampled_from(_window.PHASES), record=RECORDS)
    def advance(self, phase: str, record: Journal) -> None:
        self._try(lambda journal: _window.advance(journal, phase, self.now, CLOCK, record))

    @rule(state=st.sampled_from([*ENDS, "open", "nonsense"]), record=RECORDS)
    def close(self, state: str, record: Journal) -> None:
        self._try(lambda journal: _window.close(journal, state, self.now, record))

    @rule()
    def take_over(self) -> None:
        self._try(_window.take_over, BY, "the controller is gone", self.now)

    @rule(minutes=st.integers(1, 600))
    def extend(self, minutes: int) -> None:
        self._try(lambda journal: _window.extend(journal, minutes, BY, self.now))

    @rule()
    def attend(self) -> None:
        before = self.journal
        self._try(_window.attend, BY, self.now)
        self.attended += self.journal is not before

    @rule()
    def acknowledge(self) -> None:
        self._try(_window.acknowledge, BY, self.now)

    @invariant()
    def legal(self) -> None:
        journal = self.journal
        names = tuple(phase["name"] for phase in journal["phases"])
        assert names == _window.PHASES[: len(names)]
        assert names[-1] == journal["phase"]
        assert (journal["version"], journal["id"]) == (_window.JOURNAL_VERSION, "w1")
        assert journal["epoch"] == 1 + sum(each.get("tries", 1) for each in journal.get("taken_over", [])) + self.attended
        assert "attended" not in journal or journal["state"] == "failed"
        assert all(phase["result"] == "ok" for phase in journal["phases"][:-1])
        times = [time for phase in journal["phases"] for time in (phase["started"], phase.get("ended")) if time]
        assert times == sorted(times)
        if journal["state"] == "open":
            assert "ended" not in journal
            assert "ended" not in journal["phases"][-1]
        else:
            assert journal["state"] in _window.LEGAL_ENDS[journal["phase"]]
            assert journal["phases"][-1]["result"] == ("ok" if journal["state"] == "closed" else "failed")
            assert journal["ended"] == journal["phases"][-1]["ended"]
        assert "acknowledged" not in journal or journal["state"] == "failed"


test_no_sequence_of_steps_leads_to_an_illegal_journal = Windows.TestCase
