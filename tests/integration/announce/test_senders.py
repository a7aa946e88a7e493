# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Senders against real servers: what people see, and what comes of a receiver that is down, slow or broken."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _announce
from ansible_collections.amanat.dbops.plugins.module_utils._outbox import Outbox

from tests.integration.machine import free_port
from tests.integration.modules import call
from tests.integration.plays import play
from tests.integration.window.guarded import write_tasks
from tests.integration.window.receiver import Receiver
from tests.integration.window.slack import TOKEN, Proxy

SLACK = {"kind": "slack", "token": TOKEN, "channel": "#ops"}
TIMEOUT = 3.0
PATIENCE = 60.0  # seconds; nothing here needs as many


def announce(tmp_path: Path, event: str, senders: list[dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """Call the module, as the controller does; its answer."""
    fixed = {"directory": str(tmp_path / "announcements"), "stack": "staging/shop", "operation": "migrate", "window": "w1"}
    result, text = call("announcement", {**fixed, "event": event, "senders": senders, "timeout": TIMEOUT, **arguments})
    assert not result.get("failed"), text
    for secret in (TOKEN, "hook-secret", "127.0.0.1"):
        assert secret not in text
    return result


def test_slack_has_one_message_for_a_window_and_its_thread(workspace: Proxy, tmp_path: Path) -> None:
    announce(tmp_path, "planned", [SLACK], note="Migrations: 0019 <&>.")
    announce(tmp_path, "starting", [SLACK])
    announce(tmp_path, "phase", [SLACK], note="The services run again.")
    result = announce(tmp_path, "finished", [SLACK], note="Downtime: 3 s.", last=True)
    channel = workspace.channel
    assert [(each["event"], each["ok"], each["sender"]) for each in result["announcements"]] == [
        (event, True, "slack #ops") for event in ("planned", "starting", "phase", "finished")
    ]
    (parent,) = channel.parents
    assert [(each["reply_broadcast"], each["thread_ts"]) for each in channel.replies] == [
        (loud, parent["ts"]) for loud in (True, False, True)
    ]
    planned, now = parent["text"].split("\n*Now:* ")
    assert planned == "Maintenance of staging/shop is planned: migrate. Migrations: 0019 &lt;&amp;&gt;. (window w1)"
    assert (now, parent["edits"]) == ("Maintenance of staging/shop is finished. Downtime: 3 s. (window w1)", 3)
    assert (result["messages"]["0"]["channel"], result["messages"]["0"]["ts"]) == ("C1", parent["ts"])
    assert not any((tmp_path / "announcements").iterdir()), "nothing is left once everybody has answered"


def test_the_script_on_the_target_goes_on_in_the_thread(workspace: Proxy) -> None:
    def tell(event: str, threads: dict[str, _announce.Thread]) -> tuple[list[dict[str, Any]], dict[str, _announce.Thread]]:
        said = _announce.message(event, "2026-11-22T17:01:02.000Z", "staging/shop", "none", "w1", "It fired.")
        return _announce.tell([{"kind": "webhook", "url": "http://"}, SLACK], said, threads, TIMEOUT)

    _records, threads = tell("planned", {})
    kept = json.loads(json.dumps(threads))  # as the journal keeps them
    records, _threads = tell("needs_a_person", kept)
    assert [each["ok"] for each in records] == [False, True]
    assert workspace.channel.replies[0]["thread_ts"] == workspace.channel.parents[0]["ts"]


def test_slack_by_a_webhook_has_no_threads(workspace: Proxy, tmp_path: Path) -> None:
    sender = {"kind": "slack", "token": "T0/B0/hook-secret"}
    announce(tmp_path, "planned", [sender])
    result = announce(tmp_path, "finished", [sender], last=True)
    assert [host_path for *host_path, _ in workspace.told] == [["hooks.slack.com", "/services/T0/B0/hook-secret"]] * 2
    assert (result["missed"], result["messages"]) == ([], {})


@pytest.mark.parametrize(
    ("sender", "answer"),
    [
        pytest.param({**SLACK, "token": "xoxb-wrong"}, "Slack says invalid_auth", id="a wrong token"),
        pytest.param({**SLACK, "channel": "#nowhere"}, "Slack says channel_not_found", id="a wrong channel"),
    ],
)
def test_what_slack_refuses_is_told(workspace: Proxy, tmp_path: Path, sender: dict[str, Any], answer: str) -> None:
    result = announce(tmp_path, "planned", [sender], last=True)
    assert result["missed"] == [f"planned was not announced by slack {sender['channel']}: {answer}"]
    assert workspace.channel.messages == []


def test_slack_that_is_asked_too_often_is_asked_again(workspace: Proxy, tmp_path: Path) -> None:
    announce(tmp_path, "planned", [SLACK], last=True)
    workspace.too_many = 1
    result = announce(tmp_path, "needs_a_person", [SLACK], note="Held.", last=True)
    assert result["missed"] == []
    assert [said["text"] for said in workspace.channel.messages][1:] == [
        "Maintenance of staging/shop needs a person NOW. Held. (window w1)"
    ]


def test_slack_is_not_waited_for_longer_than_a_sender_may_take(workspace: Proxy, tmp_path: Path) -> None:
    workspace.too_many = 99
    began = time.monotonic()
    result = announce(tmp_path, "planned", [SLACK], last=True)
    assert time.monotonic() - began < 2 * TIMEOUT
    assert result["missed"] == ["planned was not announced by slack #ops: HTTP 429"]


def test_what_was_posted_was_told_though_the_first_message_cannot_be_edited(workspace: Proxy, tmp_path: Path) -> None:
    announce(tmp_path, "planned", [SLACK])
    workspace.channel.is_editable = False
    result = announce(tmp_path, "finished", [SLACK], last=True)
    assert result["missed"] == []
    assert (
        result["announcements"][-1]["answer"] == "posted in the thread, whose first message was not edited: Slack says edit_window_closed"
    )
    assert len(workspace.channel.replies) == 1


def test_windows_of_many_stacks_at_once_lose_no_event(workspace: Proxy, receiver: Receiver, tmp_path: Path) -> None:
    """With one directory for all of them; a sender that goes on in its thread knows it still."""

    def tell(window: str, event: str, *senders: dict[str, Any]) -> None:
        said = _announce.message(event, "2026-11-22T17:01:02.000Z", f"staging/{window}", "none", window, "")
        Outbox(str(tmp_path), window).hand_over(list(senders), said, PATIENCE)

    webhook = {"kind": "webhook", "url": receiver.url("ok")}
    tell("w1", "planned", SLACK, webhook)
    for other in range(2, 22):
        tell(f"w{other}", "planned", webhook)
    tell("w1", "starting", SLACK, webhook)
    for other in range(22, 62):
        tell(f"w{other}", "planned", webhook)
    for each in range(1, 62):
        Outbox(str(tmp_path), f"w{each}").answers(PATIENCE)
    tell("w1", "needs_a_person", SLACK, webhook)
    records, _threads, done = Outbox(str(tmp_path), "w1").answers(PATIENCE)
    assert done
    assert [each["event"] for each in records if each["sender"] == "webhook"] == ["planned", "starting", "needs_a_person"]
    assert [said["event"] for said in receiver.told if said["window"] == "w1"] == ["planned", "starting", "needs_a_person"]
    assert (len(workspace.channel.parents), len(workspace.channel.replies)) == (1, 2)


def test_what_nobody_waits_for_any_more_is_forgotten(receiver: Receiver, tmp_path: Path) -> None:
    """A controller that was killed does not come back for its answers; one whose window is under way may."""
    senders = [{"kind": "webhook", "url": receiver.url("ok")}]
    for window in ("killed", "under-way", "w1"):
        for event in ("planned", "starting"):
            said = _announce.message(event, "2026-11-22T17:01:02.000Z", f"staging/{window}", "none", window, "")
            Outbox(str(tmp_path), window).hand_over(senders, said, PATIENCE)
        Outbox(str(tmp_path), window).answers(PATIENCE)
    long_ago = time.time() - 8 * 86400
    for name in ("killed.000.0", "killed.001.0", "under-way.000.0", "w1.000.0", "w1.001.0"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    said = _announce.message("finished", "2026-11-22T17:01:02.000Z", "staging/w1", "none", "w1", "")
    Outbox(str(tmp_path), "w1").hand_over(senders, said, PATIENCE)
    Outbox(str(tmp_path), "w1").answers(PATIENCE)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["under-way.000.0", "under-way.001.0", "w1.000.0", "w1.001.0", "w1.002.0"]


def test_events_that_come_at_once_are_told_in_their_order(workspace: Proxy, tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path), "w1")
    events = ["planned", "starting", "phase", "finished"]
    for event in events:
        outbox.hand_over([SLACK], _announce.message(event, "2026-11-22T17:01:02.000Z", "staging/shop", "none", "w1", event), PATIENCE)
    records, _threads, done = outbox.answers(PATIENCE)
    assert (done, [each["event"] for each in records]) == (True, events)
    assert len(workspace.channel.parents) == 1
    assert [each["text"].rpartition(" (window")[0].split()[-1] for each in workspace.channel.replies] == events[1:]


def test_a_window_waits_for_no_sender_longer_than_its_time_out(receiver: Receiver, tmp_path: Path) -> None:
    urls = [receiver.url(path) for path in ("ok", "slow", "drip", "broken")] + [f"http://127.0.0.1:{free_port()}/hook-secret"]
    senders = [{"kind": "webhook", "url": url} for url in urls]
    outbox = Outbox(str(tmp_path), "w1")
    for event in ("planned", "starting", "finished"):
        outbox.hand_over(senders, _announce.message(event, "2026-11-22T17:01:02.000Z", "staging/shop", "none", "w1", ""), TIMEOUT)
    # Of a slow one the first event is still on its way, and two wait behind it. Nobody waits for all of them.
    began = time.monotonic()
    records, _threads, done = outbox.answers(TIMEOUT)
    assert time.monotonic() - began < 2 * TIMEOUT
    assert not done
    late = "no answer within 3 s"
    assert [each["answer"] for each in records if each["event"] == "planned"] == ["taken", late, late, "HTTP 500", "Connection refused"]
    assert f"finished was not announced by webhook: {late}" in _announce.missed(records)
    assert receiver.events == ["planned", "starting", "finished"], "a sender that is well does not wait for one that is not"
    assert receiver.told[1] == {
        "event": "starting",
        "text": "Maintenance of staging/shop starts: none.",
        "stack": "staging/shop",
        "operation": "none",
        "window": "w1",
    }


def test_check_mode_tells_nobody(receiver: Receiver, tmp_path: Path) -> None:
    senders = [{"kind": "webhook", "url": receiver.url("ok")}]
    result = announce(tmp_path, "planned", senders, last=True, _ansible_check_mode=True)
    assert (result["text"], result["announcements"]) == ("Maintenance of staging/shop is planned: migrate.", [])
    assert (receiver.told, list(tmp_path.iterdir())) == ([], [])


def test_a_task_of_a_sender_that_reaches_nobody_does_not_end_the_play(tmp_path: Path) -> None:
    """No rescue would see it: the host would be given up in the middle of its window."""
    far = {"name": "Tell", "ansible.builtin.command": "true", "delegate_to": "far", "changed_when": False}
    sender = {"kind": "custom", "tasks": write_tasks(tmp_path / "tell.yml", far)}
    tell = {"name": "amanat.dbops.maintenance_window", "tasks_from": "announce"}
    told = {"maintenance_window_event": "planned", "dbops_announce": [sender], "dbops_report_dir": str(tmp_path)}
    over = {"ansible.builtin.debug": {"msg": "dbops announce staging/shop ok: {{ __maintenance_window_told_here | length }}"}}
    known = {"dbops_environment": "staging", "dbops_name": "shop", "ansible_connection": "local"}
    tasks = [{"ansible.builtin.include_role": tell, "vars": told}, over]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "shop", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    hosts = {"shop": known, "far": {"ansible_host": "127.0.0.1", "ansible_port": free_port(), "ansible_connection": "ssh"}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    outcome = play(str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.yml"))
    assert (outcome.code, outcome.last_line) == (0, "dbops announce staging/shop ok: 1"), outcome.out
