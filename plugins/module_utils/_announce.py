# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Tell people one event of a window, by every sender at once.

Stands on the standard library alone: the controller tells with it, and so does the script on the target. No text that comes back
holds a token or a URL.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, NamedTuple

from ._http import Unanswered, request

Sender = dict[str, Any]
# What a sender has to remember of its earlier messages, as JSON.
Thread = dict[str, str]

# What is said at each event. `note` is what the moment adds.
_WORDS = {
    "planned": "Maintenance of {stack} is planned: {operation}. {note}",
    "starting": "Maintenance of {stack} starts: {operation}. {note}",
    "phase": "Maintenance of {stack}: {note}",
    "extended": "Maintenance of {stack} takes longer. {note}",
    "finished": "Maintenance of {stack} is finished. {note}",
    "rolled_back": "Maintenance of {stack} was rolled back. {note}",
    "failed": "Maintenance of {stack} failed before anything was stopped. {note}",
    "needs_a_person": "Maintenance of {stack} needs a person NOW. {note}",
    "schedule_failed": "{note}",
}
EVENTS = tuple(_WORDS)

# By which event people learn how a window ended.
OF_END = {"closed": "finished", "rolled_back": "rolled_back", "aborted": "failed", "failed": "needs_a_person"}

# What the whole channel sees; the rest stays in the thread.
_LOUD = ("starting", "finished", "rolled_back", "failed", "needs_a_person")

_SLACK_API = "https://slack.com/api"
_SLACK_HOOKS = "https://hooks.slack.com/services"
_SLACK_LONGEST = 1500  # characters of one text; a message that is edited may have 4000, and two stand in it


_TOO_MANY = 429  # HTTP; Slack takes one message a second in a channel, and several stacks may share one
_PAUSE = 1.0  # seconds before another try, at least


class _Refused(Exception):
    """The receiver answered, and not well."""


class Message(NamedTuple):
    event: str
    at: str
    text: str
    stack: str
    operation: str
    window: str


def message(event: str, at: str, stack: str, operation: str, window: str, note: str) -> Message:
    text = _WORDS[event].format(stack=stack, operation=operation, note=note.strip()).strip()
    return Message(event, at, text, stack, operation, window)


def name_of(sender: Sender) -> str:
    """What reports call a sender; it holds no secret."""
    return " ".join(filter(None, [sender["kind"], sender.get("channel")]))


def tell(
    senders: list[Sender], said: Message, threads: dict[str, Thread], timeout: float
) -> tuple[list[dict[str, Any]], dict[str, Thread]]:
    """What came of it, one record a sender, and the threads as they are then, by the sender's place in the list.

    timeout: seconds that any of the senders may take; nobody waits for the slowest longer than that.
    """
    if not senders:
        return [], threads
    with ThreadPoolExecutor(len(senders)) as pool:
        told = list(pool.map(lambda place: tell_by(senders[place], said, threads.get(str(place), {}), timeout), range(len(senders))))
    kept = {str(place): thread for place, (_record, thread) in enumerate(told) if thread}
    return [record for record, _thread in told], {**threads, **kept}


def tell_by(sender: Sender, said: Message, thread: Thread, timeout: float) -> tuple[dict[str, Any], Thread]:
    """What came of it by one sender, and its thread as it is then. timeout: seconds for all that it takes."""
    try:
        answer, thread = _KINDS[sender["kind"]](sender, said, thread, time.monotonic() + timeout)
    except (Unanswered, _Refused) as error:
        return unheard(said, name_of(sender), str(error)), thread
    except Exception as error:  # noqa: BLE001 - the other senders go on; its text may hold a token
        return unheard(said, name_of(sender), f"an unforeseen {type(error).__name__}"), thread
    return {"event": said.event, "at": said.at, "sender": name_of(sender), "ok": True, "answer": answer}, thread


def unheard(said: Message, sender: str, why: str) -> dict[str, Any]:
    """The record of an event of which a sender is not known to have told anybody."""
    return {"event": said.event, "at": said.at, "sender": sender, "ok": False, "answer": why}


def missed(records: list[dict[str, Any]]) -> list[str]:
    """What was not announced, in words, for warnings."""
    return [f"{each['event']} was not announced by {each['sender']}: {each['answer']}" for each in records if not each["ok"]]


def _post(url: str, body: dict[str, Any], until: float, headers: dict[str, str] | None = None) -> str:
    """The text of a good answer."""
    known = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    while True:
        reply = request("POST", url, until - time.monotonic(), json.dumps(body).encode(), known)
        pause = max(reply.retry_after, _PAUSE)
        if reply.status != _TOO_MANY or time.monotonic() + pause >= until:
            break
        time.sleep(pause)
    if not 200 <= reply.status < 300:
        # A receiver may repeat what it was sent; of what it says only a bare code is kept, as Slack's `channel_not_found`.
        code = f", {reply.text.strip()}" if re.fullmatch(r"[a-z_]{3,60}", reply.text.strip()) else ""
        raise _Refused(f"HTTP {reply.status}{code}")
    return reply.text


# -- kinds ---------------------------------------------------------------------------------------------------------------


def _webhook(sender: Sender, said: Message, _thread: Thread, until: float) -> tuple[str, Thread]:
    _post(sender["url"], {key: value for key, value in said._asdict().items() if key != "at"}, until)
    return "taken", {}


def _slack(sender: Sender, said: Message, thread: Thread, until: float) -> tuple[str, Thread]:
    """By a bot's token, or by a webhook: what stands in its URL behind /services/."""
    text = _slack_text(said)
    if "/" in sender["token"]:
        _post(f"{_SLACK_HOOKS}/{sender['token']}", {"text": text}, until)
        return "posted", {}

    def call(method: str, **body: Any) -> dict[str, Any]:
        answer = _parsed(_post(f"{_SLACK_API}/{method}", body, until, {"Authorization": f"Bearer {sender['token']}"}))
        if not answer.get("ok"):
            raise _Refused(f"Slack says {answer.get('error', 'nothing that is understood')}")
        return answer

    if not thread:
        answer = call("chat.postMessage", channel=sender["channel"], text=text)
        return "posted", {"channel": str(answer.get("channel")), "ts": str(answer.get("ts")), "text": text}
    place = {"channel": thread["channel"], "text": text}
    call("chat.postMessage", **place, thread_ts=thread["ts"], reply_broadcast=said.event in _LOUD)
    try:
        call("chat.update", **{**place, "ts": thread["ts"], "text": f"{thread['text']}\n*Now:* {text}"})
    except (Unanswered, _Refused) as error:
        return f"posted in the thread, whose first message was not edited: {error}", thread
    return "posted in the thread", thread


def _slack_text(said: Message) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text: three characters are Slack's own."""
    text = f"{said.text} (window {said.window})" if said.window else said.text
    text = text if len(text) <= _SLACK_LONGEST else f"{text[:_SLACK_LONGEST]}…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


_KINDS: dict[str, Callable[[Sender, Message, Thread, float], tuple[str, Thread]]] = {"slack": _slack, "webhook": _webhook}
