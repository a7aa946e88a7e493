# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Prometheus' Alertmanager, by version 2 of its API: what fires, and the silence of a window."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple

from ._errors import OperationError, refused
from ._http import Unanswered, request

TIMEOUT = 5.0  # seconds for all that one step of a window asks

# As `amtool` takes them: name, operator, value; a value without quotes holds none of its signs.
_MATCHER = re.compile(r'\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}=~!]*?))\s*(?:,|$)')
_NAME = re.compile(r"\s*[a-zA-Z0-9_:. -]+\s*")

# Values of labels that nobody's alerts have: none at all, and made-up ones of several kinds.
_NOBODYS = ("", "zqxjvkw", "Zqx-4711.jvk_w", "4711471147")


class Matcher(NamedTuple):
    name: str
    value: str
    is_regex: bool
    is_equal: bool

    def fits(self, labels: dict[str, str]) -> bool:
        """A label that is missing is an empty one, and an expression means the whole value, as with Alertmanager."""
        value = labels.get(self.name, "")
        same = re.fullmatch(self.value, value) is not None if self.is_regex else value == self.value
        return same == self.is_equal

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "isRegex": self.is_regex, "isEqual": self.is_equal}


def parse(text: str) -> list[Matcher]:
    """One or several, separated by commas, all of which have to fit. Without an operator it is an alert's name."""
    if _NAME.fullmatch(text):
        return [Matcher("alertname", text.strip(), is_regex=False, is_equal=True)]
    matchers, position = [], 0
    while position < len(text):
        found = _MATCHER.match(text, position)
        if not found:
            raise _malformed(text, "is no matcher")
        name, operator, quoted, bare = found.groups()
        value = re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), quoted) if quoted is not None else bare
        matcher = Matcher(name, value, operator in ("=~", "!~"), operator in ("=", "=~"))
        if matcher.is_regex:
            _require_expression(text, value)
        matchers.append(matcher)
        position = found.end()
    return matchers


def _require_expression(text: str, value: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise _malformed(text, f"holds no expression ({error})") from None


def _malformed(text: str, why: str) -> OperationError:
    return refused("alertmanager-malformed", f"dbops_alertmanager: {text!r} {why}.", 'Write it like alertname="Watchdog".')


def parse_all(texts: list[str]) -> list[Matcher]:
    """Those of a silence: every one has to fit, and one at least has to want something that not just any alert has."""
    matchers = [matcher for text in texts for matcher in parse(text)]
    if all(_fit_nobodys([matcher for matcher in matchers if matcher.name == name]) for name in {matcher.name for matcher in matchers}):
        raise refused(
            "alertmanager-malformed",
            "The matchers of dbops_alertmanager fit alerts of anybody.",
            "Name what is this stack's, as in matchers: ['stack=\"nickapp\"'].",
        )
    return matchers


def _fit_nobodys(matchers: list[Matcher]) -> bool:
    """Those of one label."""
    return any(all(matcher.fits({matcher.name: value}) for matcher in matchers) for value in _NOBODYS)


def not_allowed(alerts: list[dict[str, str]], allow: list[str]) -> list[str]:
    """The alerts, by their labels, that no entry of the allow-list fits, in words."""
    entries = [parse(text) for text in allow]
    others = [labels for labels in alerts if not any(all(matcher.fits(labels) for matcher in entry) for entry in entries)]
    return sorted({_in_words(labels) for labels in others})


def _in_words(labels: dict[str, str]) -> str:
    rest = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "alertname")
    return labels.get("alertname", "an alert without a name") + (f" ({rest})" if rest else "")


@dataclass(frozen=True)
class Alertmanager:
    """What one step of a window asks of it, and no step waits longer than until `until`, however slowly each request is answered.

    url: may hold a user and a password, so it is never shown.
    """

    url: str = field(repr=False)
    until: float = field(default_factory=lambda: time.monotonic() + TIMEOUT)

    def _call(self, method: str, path: str, read: Callable[[Any], Any], body: Any = None) -> Any:
        """What `read` makes of the answer. Anything may answer at that address: a proxy, the page of a login, another service."""
        try:
            url = f"{self.url.rstrip('/')}/api/v2/{path}"
            text = None if body is None else json.dumps(body).encode()
            reply = request(method, url, max(0.0, self.until - time.monotonic()), text, {"Content-Type": "application/json"})
            if reply.status != 200:
                raise Unanswered(f"HTTP {reply.status} {' '.join(reply.text.split())[:200]}".strip())
            return read(json.loads(reply.text) if reply.text.strip() else None)
        except Unanswered as error:
            why = str(error)
        except (ValueError, TypeError, KeyError, AttributeError):
            why = "what answers is no Alertmanager"
        raise refused("alertmanager-unreachable", f"The Alertmanager does not answer: {why}.", "Correct dbops_alertmanager, or start it.")

    def firing(self) -> list[dict[str, str]]:
        """The labels of every alert that fires and is neither silenced nor inhibited."""
        found: list[dict[str, str]] = self._call("GET", "alerts?active=true&silenced=false&inhibited=false", _labels)
        return found

    def _of(self, comment: str) -> list[dict[str, Any]]:
        """By their comment, so that also one is found whose making nobody lived to write down."""
        known: list[dict[str, Any]] = self._call("GET", "silences", _silences)
        return [each for each in known if each["comment"] == comment and each["state"] != "expired"]

    def silence(self, matchers: list[Matcher], comment: str, begins: str, ends: str) -> str:
        """Silent until `ends`, whether it was before or not; the silence's identity. Times: ISO 8601, UTC."""
        for known in self._of(comment):
            # With its identity and nothing but another end, Alertmanager prolongs what is there.
            return self._put({**{key: known[key] for key in _KEPT}, "endsAt": ends})
        wanted = {"matchers": [matcher.as_json() for matcher in matchers], "startsAt": begins, "endsAt": ends}
        return self._put({**wanted, "createdBy": "amanat.dbops", "comment": comment})

    def _put(self, silence: dict[str, Any]) -> str:
        return str(self._call("POST", "silences", lambda answer: answer["silenceID"], silence))

    def expire(self, comment: str) -> None:
        for known in self._of(comment):
            self._call("DELETE", f"silence/{known['id']}", lambda _answer: None)


_KEPT = ("id", "matchers", "startsAt", "createdBy", "comment")


def _list(answer: Any) -> list[Any]:
    """An object would be a list of its keys, and an empty one an Alertmanager at which all is quiet."""
    if not isinstance(answer, list):
        raise TypeError("no list")
    return answer


def _labels(answer: Any) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in alert["labels"].items()} for alert in _list(answer)]


def _silences(answer: Any) -> list[dict[str, Any]]:
    return [{**{key: each[key] for key in _KEPT}, "state": each["status"]["state"]} for each in _list(answer)]
