# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""`dbops-window`, the script that stands on the target beside the journal: for the switch, for recover.yml, for a person.

It is made of the very files that opened the window, so that whatever release is installed by then, the journal is read by the one
that wrote it. It needs Python's standard library, and no Ansible, no Vault and no inventory: its folder says which stack it is of.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import io
import json
import os
import secrets
import sys
import zipfile
from typing import Any, Callable

from . import _calls, _clock, _fence, _held_units, _journal, _owner, _private, _recovery, _reserve, _switch, _window
from ._errors import OperationError
from ._files import write_bytes
from ._job import Job, Progress, clean
from ._stack import Stack

_PACKAGE = "dbops"  # what our own files are called in there
_MAIN = f"import sys\nfrom {_PACKAGE}._script import main\nsys.exit(main(sys.argv))\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same script


# -- made ----------------------------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    """The text of one of our files, wherever it was loaded from: a folder, or the archive that Ansible sends to a target."""
    spec = importlib.util.find_spec(f"{__package__}.{name}")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    return str(spec.loader.get_source(spec.name))  # type: ignore[attr-defined]


def needed(name: str, known: dict[str, str] | None = None) -> dict[str, str]:
    """A file of ours and all that it imports, by name."""
    known = {} if known is None else known
    if name in known:
        return known
    known[name] = _source(name)
    for node in ast.walk(ast.parse(known[name])):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for each in [node.module] if node.module else [alias.name for alias in node.names]:
                needed(each, known)
    return known


def archive() -> bytes:
    """The script: a zip archive that the interpreter of this moment runs."""
    files = {"__main__.py": _MAIN, f"{_PACKAGE}/__init__.py": ""}
    files.update({f"{_PACKAGE}/{name}.py": text for name, text in needed("_script").items()})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(files):
            out.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return f"#!{sys.executable}\n".encode() + packed.getvalue()


def install(stack: Stack) -> None:
    write_bytes(stack.script, archive(), 0o700)


FAILED = 2  # exit code, as ansible-playbook's

_ENDINGS = {
    "recover": "end a window whose time is over and whose work has ended",
    "abort": "end a window that is under way, now",
}

# -- run -----------------------------------------------------------------------------------------------------------------


def _is_over(journal: _window.Journal) -> bool:
    return journal["state"] == "failed" or _window.rest(journal, _clock.read()) <= 0


def require_stale(stack: Stack, window: str) -> None:
    """A window is not taken from somebody who may be at work: its time is over, and nothing of it is at work."""
    journal = _journal.held(stack, window)
    if journal["state"] == "failed":
        return
    rest = _window.rest(journal, _clock.read())
    busy = _fence.at_work(stack, window)
    if rest > 0 or busy:
        raise OperationError(
            "window-alive",
            f"{_window.describe(journal)} is under way: "
            + (f"{', '.join(busy)} is at work." if busy else f"its time ends in {rest / 60:.0f} minutes."),
            "Nothing was changed.",
            f"Wait for it; or where its controller is gone, or it has to end now: ansible-playbook playbooks/abort.yml"
            f" -e dbops_window={window}",
        )


def _told(options: argparse.Namespace) -> _recovery.Told:
    """By a program on standard input, else by a person at this shell."""
    if options.told:
        said = json.load(sys.stdin)
        # Whoever speaks may be of a later release than this script, and say more than it knows.
        return _recovery.Told(**{key: said[key] for key in _recovery.Told._fields if key in said})
    user = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    return _by_hand({"user": user, "controller": os.uname().nodename}, f"{options.verb} on the target")


def _by_hand(by: dict[str, str], why: str) -> _recovery.Told:
    error = OperationError("window-taken-over", f"The window was ended: {why}.", "", "Read its journal.")
    said = {"slug": error.slug, "message": error.what, "state": error.state, "next": error.next_step}
    return _recovery.Told(by, why, said, {})


def _job(stack: Stack, window: str) -> Job:
    """What brings the window to its end right now, to which whoever asks for the same attaches; else a new one."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(stack.jobs)):
            job = Job(os.path.join(stack.jobs, name))
            if name.startswith(f"{window}-recovery-") and job.is_alive() and not job.has_result():
                return job
    return Job(os.path.join(stack.jobs, f"{window}-recovery-{secrets.token_hex(6)}"))


def _end(stack: Stack, window: str, told: _recovery.Told, due: Callable[[_window.Journal], bool] = lambda _journal: True) -> int:
    """Work as a job, so that a lost shell ends nothing; the exit code."""

    def work(progress: Progress) -> dict[str, Any]:
        journal = _recovery.carry_out(stack, window, told, lambda doing: progress.say(doing, now=True), due)
        if not _switch.is_wanted(journal):
            _switch.disarm(stack)
        if journal["state"] != "failed":
            with contextlib.suppress(OSError):  # without the journal what stays there has no effect
                _held_units.let_go(stack.directory)
        return {"journal": journal}

    _journal.held(stack, window, told.epoch)
    _reserve.give(stack)
    clean(stack.jobs)  # a switch that cannot end its window tries again and again, perhaps on a disk that is full
    job = _job(stack, window)
    job.start(work)
    said = ""
    while True:
        result = job.wait(1.0)
        if "job" not in result:
            break
        if result["job"]["doing"] != said:
            said = result["job"]["doing"]
            _say(said)
    if result.get("failed"):
        raise OperationError(result["slug"], result["what"], result["state_now"], result["next_step"])
    journal = result["journal"]
    _say(f"{_end_of(window)} {journal['state']}: {(journal.get('error') or {}).get('state') or 'the operation is done.'}")
    return FAILED if journal["state"] == "failed" else 0


def _end_of(window: str) -> str:
    return f"window {window} ended as"


def has_ended(said: str, window: str) -> bool:
    """Whether that is what the script said of a window, be it well or not; else it has refused to, or was cut off."""
    return any(line.startswith(_end_of(window)) for line in said.splitlines())


def _say(line: str) -> None:
    """To whoever has called the script; it is no module, whose output is its result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _status(stack: Stack) -> int:
    journal = _journal.read(stack.journal)
    if journal:
        _say(f"{_window.describe(journal)}; its time ends {journal['deadline']}\nnext: {_fence.advice(stack, journal)}")
        return 0
    last = _journal.last(stack)
    _say(f"no window is open on {stack}" + (f"; the last one: {_window.describe(last)}" if last else ""))
    return 0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dbops-window", description="Look at this stack's maintenance window, or bring it to an end.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("status", help="which window is open, in which phase, since when")
    for verb, about in _ENDINGS.items():
        ending = verbs.add_parser(verb, help=about)
        ending.add_argument("window", help="its id, as `status` says it")
        ending.add_argument("--told", action="store_true", help="who acts and why is on standard input, as JSON")
    verbs.add_parser("switch", help="what the dead man's switch runs: recover when the time of the phase is over")
    options = parser.parse_args(argv[1:])
    folder = os.path.dirname(os.path.abspath(argv[0]))
    rest, name = os.path.split(folder)
    state_dir, environment = os.path.split(rest)
    stack = Stack.parse(f"{environment}/{name}", state_dir)
    try:
        _owner.become(argv)
        if options.verb == "status":
            return _status(stack)
        _private.lend_proxies(stack)
        if options.verb == "switch":
            with _calls.if_it_fails(stack):
                return _fire(stack)
        told = _told(options)
        with _calls.if_it_fails(stack):
            if not told.epoch and (ended := _journal.ended(stack, options.window)):
                _say(f"window {options.window} has ended as {ended['state']} already: nothing was changed.")
                return 0
            if options.verb != "recover":
                return _end(stack, options.window, told)
            require_stale(stack, options.window)
            return _end(stack, options.window, told, _is_over)
    except OperationError as error:
        sys.stderr.write(f"{error.as_result()['msg']}\n")
        return FAILED


def _is_due(journal: _window.Journal) -> bool:
    """Whoever was at it may have failed in this very moment: that is for a person to see."""
    return bool(journal["state"] == "open" and _window.left(journal, _clock.read()) <= 0)


def _fire(stack: Stack) -> int:
    """Recover when the time of the phase is over; else look again when it will be. Of a window that failed, see that somebody hears."""
    with _journal.alone(stack):
        journal = _journal.read(stack.journal)
    if not journal or journal["state"] != "open":
        if journal and _switch.is_wanted(journal) and not _calls.again(stack, journal):
            return FAILED
        _switch.disarm(stack)
        return 0
    rest = _window.left(journal, _clock.read())
    if rest > 0:
        _switch.again(stack, rest)
        return 0
    why = f"the time of phase {journal['phase']} was over, and the dead man's switch fired"
    by = {"user": "dead man's switch", "controller": os.uname().nodename}
    code = _end(stack, journal["id"], _by_hand(by, why)._replace(tries_again=True), _is_due)
    # One that failed waits for a person, who has heard of it; else the switch fires again.
    journal = _journal.read(stack.journal)
    return code if journal and _switch.is_wanted(journal) else 0
