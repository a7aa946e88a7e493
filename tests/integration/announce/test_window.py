# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and Alertmanager are told of whole windows, however they end."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import ROOT
from tests.integration.window.conftest import Stack, bring_up
from tests.integration.window.guarded import ask, write_tasks
from tests.integration.window.receiver import Receiver
from tests.integration.window.slack import TOKEN, Proxy
from tests.integration.window.test_interrupted import LONG, is_undone, killed_in_mid_operation, killed_when, let_time_pass, running, until

from .alertmanager import Alertmanager
from .mailbox import Mailbox

SLACK = {"kind": "slack", "token": TOKEN, "channel": "#ops"}
EVENTS = ["planned", "phase", "starting", "phase", "finished"]
MATCHERS = ['stack="shop"']
IS_PHASE = "maintenance_window_message.event == 'phase'"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from bring_up("embedded", "announce-embedded", tmp_path_factory.mktemp("reports"))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def seconds(later: str, earlier: str) -> float:
    return (datetime.fromisoformat(later.rstrip("Z")) - datetime.fromisoformat(earlier.rstrip("Z"))).total_seconds()


def test_everybody_is_told_and_nobody_waited_for(
    stack: Stack, workspace: Proxy, receiver: Receiver, mailbox: Mailbox, alerts: Alertmanager
) -> None:
    mail = {"kind": "custom", "tasks": str(ROOT / "examples/announce/mail.yml"), "host": "127.0.0.1", "port": mailbox.port}
    announce = [
        {"kind": "webhook", "url": receiver.url("slow")},
        SLACK,
        {"kind": "webhook", "url": receiver.url("ok")},
        {**mail, "to": ["ops@example.org"]},
    ]
    silenced: list[int] = []

    def hook(event: str) -> None:
        silenced.append(len(alerts.silences()))
        if event == "finished":
            receiver.over.set()

    receiver.hook = hook
    outcome = stack.play(
        "maintenance",
        dbops_operation="none",
        dbops_announce=announce,
        dbops_alertmanager={"url": alerts.url, "matchers": MATCHERS},
        dbops_health_url=stack.state["health_url"].replace("//", "//mo:health-s3cret@"),
        maintenance_window_sender_timeout=LONG,
    )
    assert outcome.code == 0, outcome.out
    report = stack.report()

    assert receiver.events == EVENTS
    assert silenced == [1] * len(EVENTS)
    assert alerts.silences() == []
    assert report["silence"]["state"] == "expired"

    (parent,) = workspace.channel.parents
    assert [reply["reply_broadcast"] for reply in workspace.channel.replies][:2] == [False, True]
    assert parent["text"].startswith(f"Maintenance of {stack.key} is planned: none.")
    assert report["messages"]["1"]["ts"] == parent["ts"]
    assert [mail["Subject"] for mail in mailbox.mails] == [f"[{event}] {stack.key}" for event in EVENTS]
    assert report["id"] in mailbox.mails[-1].get_body().get_content()

    told = report["announcements"]
    assert {(each["event"], each["sender"]) for each in told} == {
        (event, sender) for event in EVENTS for sender in ("webhook", "slack #ops", "mail.yml")
    }
    assert {each["answer"] for each in told if each["event"] == "planned"} == {"taken", "posted", "sent"}
    # The slow one answered nobody before the other had been told of the end: who waited for it would have waited for ever.
    assert report.get("warnings", []) == []
    assert not [secret for secret in (TOKEN, "health-s3cret") if secret in outcome.out + json.dumps(report)]


def test_no_window_opens_while_an_alert_fires(stack: Stack, receiver: Receiver, alerts: Alertmanager) -> None:
    alert = {"alertname": "BackendDown", "stack": "shop"}
    alerts.fire(alert)
    variables = {"dbops_operation": "none", "dbops_announce": receiver.announce}
    outcome = stack.play("maintenance", dbops_alertmanager={"url": alerts.url, "matchers": MATCHERS}, **variables)
    alerts.resolve(alert)
    assert outcome.code == 2, outcome.out
    refused = (
        f"dbops maintenance {stack.key} refused: [alerts-firing] Alerts fire that are not on the allow-list: BackendDown (stack=shop)."
    )
    assert outcome.last_line.startswith(refused)
    assert (receiver.told, alerts.silences(), "changed=0" in outcome.recap) == ([], [], True)


def test_a_verb_that_fails_by_schedule_waits_until_it_is_told(stack: Stack, receiver: Receiver) -> None:
    senders = [*receiver.announce, {"kind": "webhook", "url": receiver.url("broken")}]
    outcome = stack.play("verify", dbops_backup="no-such-backup", dbops_announce=senders)
    assert outcome.code == 2, outcome.out
    assert [(said["event"], said["text"], said["window"]) for said in receiver.told] == [("schedule_failed", outcome.last_line, "")]


def test_all_tasks_of_a_sender_have_its_time_together(stack: Stack, tmp_path: Path) -> None:
    waits = [{"name": f"Wait {each} s", "ansible.builtin.command": f"sleep {each}", "changed_when": False} for each in (3, 60)]
    sender = {"kind": "custom", "tasks": write_tasks(tmp_path / "hangs.yml", *waits)}
    outcome = stack.play("verify", dbops_backup="no-such-backup", dbops_announce=[sender], maintenance_window_sender_timeout=7)
    (given,) = set(re.findall(r"Timed out after (\d+) second", outcome.out))
    assert 1 <= int(given) <= 4, outcome.out


@pytest.mark.slow
def test_a_sender_that_hangs_delays_a_window_by_its_time_and_no_more(stack: Stack, tmp_path: Path) -> None:
    """It is asked at the beginning and at the end."""
    hangs = {"name": "Hang", "ansible.builtin.command": "sleep 60", "changed_when": False}
    quick = {"name": "Be quick", "ansible.builtin.debug": {"msg": "said {{ maintenance_window_message.event }}"}}
    senders = [
        {"kind": "custom", "tasks": write_tasks(tmp_path / f"{name}.yml", task)} for name, task in (("hangs", hangs), ("quick", quick))
    ]
    outcome = stack.play("maintenance", dbops_operation="none", dbops_announce=senders)
    assert outcome.code == 0, outcome.out
    told = {each["sender"]: [] for each in stack.report()["announcements"]}
    for each in stack.report()["announcements"]:
        told[each["sender"]].append((each["event"], each["answer"]))
    assert [event for event, _answer in told["hangs.yml"]] == ["planned", "phase", "starting", "phase", "finished"]
    assert ["Timed out" in answer for _event, answer in told["hangs.yml"]] == [True, False, False, False, True]
    assert all("It has had its 5 seconds, and is asked again at the end." in answer for _event, answer in told["hangs.yml"][1:4])
    assert {answer for _event, answer in told["quick.yml"]} == {"sent"}


@pytest.mark.parametrize(
    ("sender", "slug"),
    [
        pytest.param({"kind": "slack", "token": TOKEN}, "announce-malformed", id="a bot without a channel"),
        pytest.param({"kind": "custom"}, "announce-malformed", id="no tasks", marks=pytest.mark.slow),
        pytest.param({"kind": "custom", "tasks": "nowhere.yml", "password": "s3cret"}, "tasks-missing", id="no such file"),
        pytest.param({"kind": "custom", "tasks": "TMP/tasks.yml"}, "tasks-unusable", id="it ends the play"),
    ],
)
def test_a_sender_that_cannot_tell_is_refused(stack: Stack, tmp_path: Path, sender: dict[str, str], slug: str) -> None:
    (tmp_path / "tasks.yml").write_text("- ansible.builtin.meta: end_play\n", encoding="utf-8")
    announce = [{key: value.replace("TMP", str(tmp_path)) for key, value in sender.items()}]
    outcome = stack.play("maintenance", dbops_operation="none", dbops_announce=announce)
    assert outcome.last_line.startswith(f"dbops maintenance {stack.key} refused: [{slug}]"), outcome.out
    assert "changed=0" in outcome.recap
    assert "s3cret" not in outcome.out


def test_without_its_controller_the_target_goes_on_telling(
    stack: Stack, workspace: Proxy, receiver: Receiver, alerts: Alertmanager, tmp_path: Path
) -> None:
    told: dict[str, Any] = {
        "dbops_announce": [SLACK, *receiver.announce],
        "dbops_alertmanager": {"url": alerts.url, "matchers": MATCHERS},
    }
    with killed_in_mid_operation(stack, tmp_path, **told) as journal:
        (silence,) = alerts.silences()
        assert journal["silence"]["id"] == silence["id"]
        extended = stack.play("extend", dbops_window=journal["id"], dbops_minutes=30)
        assert extended.code == 0, extended.out
        (longer,) = alerts.silences()
        assert seconds(longer["endsAt"], silence["endsAt"]) == 30 * 60
        let_time_pass(stack, journal["id"])
        until(lambda: not stack.journal.exists())
    assert is_undone(stack)
    assert alerts.silences() == []
    assert receiver.events == ["planned", "phase", "starting", "extended", "rolled_back"]
    (parent,) = workspace.channel.parents
    assert {reply["thread_ts"] for reply in workspace.channel.replies} == {parent["ts"]}
    said = workspace.channel.replies[-1]
    assert (said["reply_broadcast"], "the dead man's switch fired" in said["text"]) == (True, True)
    assert parent["text"].endswith(said["text"])
    ended = json.loads((stack.journal.parent / f"windows/{journal['id']}.json").read_text(encoding="utf-8"))
    assert [each["event"] for each in ended["announcements"] if each["sender"] == "webhook"][-2:] == ["extended", "rolled_back"]
    assert ended["silence"]["state"] == "expired"
    assert TOKEN not in json.dumps(ended)


@pytest.mark.slow
def test_before_the_stop_as_well_there_is_one_message_whoever_tells(stack: Stack, workspace: Proxy, tmp_path: Path) -> None:
    """The backup is being made when the controller is killed: that is where a window is for most of its time."""
    begun, goes_on, backup = tmp_path / "begun", tmp_path / "goes-on", stack.backups
    before = set(backup.iterdir()) if backup.exists() else set()
    # A sender that stands still, and the controller with it, once the first backup has been told.
    tasks = write_tasks(
        tmp_path / "stands.yml",
        {"ansible.builtin.file": {"path": str(begun), "state": "touch", "mode": "0600"}, "when": IS_PHASE},
        {"ansible.builtin.wait_for": {"path": str(goes_on), "timeout": LONG}, "when": IS_PHASE},
    )
    senders = [SLACK, {"kind": "custom", "tasks": tasks}]
    killed_when(stack, begun.exists, dbops_operation="none", dbops_announce=senders, maintenance_window_sender_timeout=LONG)
    goes_on.touch()
    journal = json.loads(stack.journal.read_text(encoding="utf-8"))
    assert (journal["phase"], set(backup.iterdir()) > before) == ("backed_up", True)
    (parent,) = workspace.channel.parents
    assert journal["messages"] == {"0": {"channel": "C1", "ts": parent["ts"], "text": journal["messages"]["0"]["text"]}}
    assert [each["event"] for each in journal["announcements"]] == ["planned", "planned"]

    extended = stack.play("extend", dbops_window=journal["id"], dbops_minutes=30)
    assert extended.code == 0, extended.out
    # Nothing is stopped yet, so there is no switch. Whoever comes has no Vault: neither what it holds nor its password.
    (tmp_path / "password").write_text("not at hand", encoding="utf-8")
    encrypt = ["ansible-vault", "encrypt_string", "--vault-password-file", str(tmp_path / "password"), "--name", "dbops_pg_url", "x"]
    (tmp_path / "vault.yml").write_bytes(subprocess.run(encrypt, capture_output=True, check=True).stdout)
    bare = {"dbops_postgres_password": "{{ no_such_secret }}", "dbops_redis_url": "{{ no_such_secret }}"}
    known = stack.play("status", "-e", f"@{tmp_path}/vault.yml", **bare)
    assert f"window {journal['id']} (none) is open in phase backed_up" in known.last_line, known.out
    let_time_pass(stack, journal["id"])
    ended = stack.play("recover", "-e", f"@{tmp_path}/vault.yml", dbops_window=journal["id"], **bare)
    assert ended.code == 0, ended.out
    assert f"changed: window {journal['id']} ended as aborted. Nothing was stopped." in ended.last_line
    (parent,) = workspace.channel.parents
    assert [" takes longer" in said["text"] for said in workspace.channel.replies][-2:] == [True, False]
    assert parent["text"].endswith(workspace.channel.replies[-1]["text"])
    assert {reply["thread_ts"] for reply in workspace.channel.replies} == {parent["ts"]}
    told = [each["event"] for each in stack.report()["announcements"] if each["sender"] == "slack #ops"]
    assert told == ["planned", "extended", "failed"]


@pytest.mark.slow
def test_of_a_window_whose_controller_is_killed_in_its_rescue_the_target_tells(
    stack: Stack, workspace: Proxy, receiver: Receiver, tmp_path: Path
) -> None:
    """What brings the service back goes on without its controller, and nobody else would tell people."""
    begun, goes_on, runs = tmp_path / "begun", tmp_path / "goes-on", tmp_path / "runs"
    runs.touch()
    # It is started by the rescue alone, as the operation fails.
    worker = {
        "name": "worker",
        "kind": "command",
        "status": ["sh", "-c", f"test -e {runs} || exit 3"],
        "stop": ["rm", str(runs)],
        "start": ["sh", "-c", f"touch {begun}; until [ -e {goes_on} ]; do sleep 0.05; done; touch {runs}"],
    }
    fails = {"name": "Fail", "ansible.builtin.fail": {"msg": "half done"}}
    with running(
        stack,
        dbops_operation="custom",
        dbops_tasks=write_tasks(tmp_path / "tasks.yml", fails),
        dbops_announce=[SLACK, *receiver.announce],
        dbops_services=[worker],
    ) as controller:
        until(begun.exists)
        controller.kill()
    window = json.loads(stack.journal.read_text(encoding="utf-8"))["id"]
    goes_on.touch()
    until(lambda: not stack.journal.exists())
    assert receiver.events == ["planned", "phase", "starting", "rolled_back"]
    assert "[step-failed] Task 'Fail': half done The services run again" in receiver.told[-1]["text"]
    (parent,) = workspace.channel.parents
    assert {reply["thread_ts"] for reply in workspace.channel.replies} == {parent["ts"]}
    ended = json.loads((stack.journal.parent / f"windows/{window}.json").read_text(encoding="utf-8"))
    assert [each["ok"] for each in ended["announcements"] if each["event"] == "rolled_back"] == [True, True]
    ask(stack, f'DROP DATABASE "{ended["rollback_point"]["failed_database"]}"', "postgres")


@pytest.mark.slow
def test_whom_the_target_does_not_reach_the_controller_tells(stack: Stack, receiver: Receiver, tmp_path: Path) -> None:
    """As where only the controller has a way out."""
    fails = {"name": "Fail", "ansible.builtin.fail": {"msg": "half done"}}
    private = stack.journal.with_name("window.private.json")
    url = {"name": "Lose", "ansible.builtin.replace": {"path": str(private), "regexp": "127.0.0.1:[0-9]+/ok", "replace": "127.0.0.1:1/ok"}}
    outcome = stack.play(
        "maintenance",
        dbops_operation="custom",
        dbops_tasks=write_tasks(tmp_path / "tasks.yml", {**url, "no_log": True}, fails),
        dbops_announce=receiver.announce,
    )
    assert outcome.code == 2, outcome.out
    assert receiver.events == ["planned", "phase", "starting", "rolled_back"]
    report = stack.report()
    assert [(each["event"], each["ok"]) for each in report["announcements"]][-2:] == [("rolled_back", False), ("rolled_back", True)]
    assert {each["event"] for each in report["announcements"]} == set(receiver.events)
    ask(stack, f'DROP DATABASE "{report["rollback_point"]["failed_database"]}"', "postgres")
