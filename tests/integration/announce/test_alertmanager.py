# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate and the silence of a window, with the real Alertmanager."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _journal
from ansible_collections.amanat.dbops.plugins.module_utils._alertmanager import TIMEOUT
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.integration.machine import free_port
from tests.integration.modules import call

from .alertmanager import Alertmanager

WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
DOWN = {"alertname": "BackendDown", "stack": "shop", "instance": "a:9090"}
MATCHERS = ['stack="shop"']


@pytest.fixture(autouse=True)
def nothing_fires(alerts: Alertmanager) -> Iterator[None]:
    yield
    alerts.resolve(WATCHDOG, DOWN)
    for silence in alerts.silences():
        alerts.ask("DELETE", f"silence/{silence['id']}")


def gate(url: str, **arguments: Any) -> dict[str, Any]:
    return call("alert_gate", {"url": url, "matchers": MATCHERS, **arguments})[0]


def test_a_window_opens_while_only_what_may_fires(alerts: Alertmanager) -> None:
    alerts.fire(WATCHDOG, DOWN)
    refused = gate(alerts.url, allow=["Watchdog"])
    assert refused["what"] == "Alerts fire that are not on the allow-list: BackendDown (instance=a:9090, stack=shop)."
    assert refused["slug"] == "alerts-firing"
    assert gate(alerts.url, allow=["Watchdog", 'stack="shop",instance=~"a:.*"'])["firing"] == 2
    assert gate(alerts.url, allow=["Watchdog", 'stack="shop",instance=~"a"'])["failed"], "an expression means the whole value"


def test_what_is_silenced_by_others_does_not_fire(alerts: Alertmanager) -> None:
    alerts.fire(DOWN)
    now = datetime.now(timezone.utc)
    body = {"createdBy": "mo", "comment": "known", "startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    matcher = {"name": "stack", "value": "shop", "isRegex": False, "isEqual": True}
    alerts.ask("POST", "silences", {**body, "matchers": [matcher]})
    assert gate(alerts.url) == {**gate(alerts.url), "firing": 0, "changed": False}


def test_an_alertmanager_that_is_down_is_a_warning_unless_it_is_required() -> None:
    nobody = f"http://user:s3cret@127.0.0.1:{free_port()}"
    assert gate(nobody)["unanswered"] == "The Alertmanager does not answer: Connection refused."
    required, text = call("alert_gate", {"url": nobody, "matchers": MATCHERS, "required": True})
    assert required["slug"] == "alertmanager-unreachable"
    assert "s3cret" not in text


class Window:
    """A window's journal, as the module keeps it on the target."""

    def __init__(self, directory: Path, url: str) -> None:
        self.fixed = {"stack": "staging/shop", "state_dir": str(directory), "window": "w1"}
        self.private = {"alertmanager": json.dumps({"url": url, "matchers": MATCHERS})}

    def step(self, state: str, **arguments: Any) -> dict[str, Any]:
        result, text = call("window_state", {**self.fixed, "state": state, **arguments})
        assert not result.get("failed"), text
        return result["journal"]

    def open(self) -> dict[str, Any]:
        return self.step("open", operation="none", private=self.private)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_a_window_silences_alerts_for_as_long_as_it_lasts(alerts: Alertmanager, tmp_path: Path) -> None:
    window = Window(tmp_path, alerts.url)
    journal = window.open()
    (silence,) = alerts.silences()
    assert (silence["createdBy"], silence["comment"]) == ("amanat.dbops", "Maintenance window w1 of staging/shop")
    assert silence["matchers"] == [{"name": "stack", "value": "shop", "isRegex": False, "isEqual": True}]
    assert moment(silence["endsAt"]) - moment(journal["deadline"]) == timedelta(minutes=10)
    assert journal["silence"] == {"id": silence["id"], "until": silence["endsAt"], "state": "active"}
    alerts.fire(DOWN)
    assert gate(alerts.url)["firing"] == 0

    journal = window.step("extend", minutes=30)
    (longer,) = alerts.silences()
    assert (longer["id"], moment(longer["endsAt"]) - moment(silence["endsAt"])) == (silence["id"], timedelta(minutes=30))
    assert journal["silence"]["until"] == longer["endsAt"]

    until = (moment(journal["deadline"]) + timedelta(minutes=5)).isoformat()
    alerts.ask("DELETE", f"silence/{longer['id']}")  # as if whoever made it longer had been cut off before
    for _again in range(2):
        journal = window.step("extend", until=until)
        (longer,) = alerts.silences()
        assert (sum(each["minutes"] for each in journal["extended"]), journal["silence"]["until"]) == (35, longer["endsAt"])
        assert moment(longer["endsAt"]) == moment(journal["deadline"]) + timedelta(minutes=10)

    journal = window.step("close", result="aborted", record={"warnings": ["of the controller"]})
    assert alerts.silences() == []
    assert (journal["silence"]["state"], journal["warnings"]) == ("expired", ["of the controller"])
    assert gate(alerts.url)["slug"] == "alerts-firing"


def test_a_silence_that_was_never_written_down_is_ended_all_the_same(alerts: Alertmanager, tmp_path: Path) -> None:
    window = Window(tmp_path, alerts.url)
    window.open()
    stack = Stack.parse("staging/shop", str(tmp_path))
    _journal.change(stack, "w1", lambda held: {key: value for key, value in held.items() if key != "silence"})
    window.step("close", result="aborted")
    assert alerts.silences() == []


def test_an_alertmanager_that_is_down_fails_no_step_of_a_window(tmp_path: Path) -> None:
    window = Window(tmp_path, f"http://127.0.0.1:{free_port()}")
    journal = window.open()
    assert journal["warnings"][0].startswith("Alerts are not silenced until 20")
    assert journal["warnings"][0].endswith("The Alertmanager does not answer: Connection refused.")
    window.step("extend", minutes=1)
    journal = window.step("close", result="aborted")
    assert journal["warnings"][-1] == "The silence of alerts was not ended: The Alertmanager does not answer: Connection refused."


def test_an_alertmanager_that_never_answers_delays_a_step_by_its_time_out_and_no_more(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel takes connections, and nobody says a word
        began = time.monotonic()
        journal = Window(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}").open()
        took = time.monotonic() - began
    assert TIMEOUT <= took < TIMEOUT + 2
    assert journal["warnings"][0].endswith("The Alertmanager does not answer: no answer within 5 s.")
