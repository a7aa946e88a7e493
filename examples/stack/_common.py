# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both kinds of the sample stack need."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import _tools
from _tools import StackError

USER = "amanat"
AGAIN = "Next: stack.py down, with the same --name if any, then try again."
SEEDS = ("seedCategories", "seedLevels")
# Keys as the application writes them: rate limits, refresh tokens, idempotency keys, caches.
REDIS_KEYS_PER_MEGABYTE = 100
DATABASES = {"development": "amanat_dev", "production": "amanat"}


def state_file(name: str) -> Path:
    return _tools.REPOSITORY / ".stack" / f"{name}.json"


def to_json(data: Any) -> str:
    return json.dumps(data, indent=2) + "\n"


def run(what: str, argv: Sequence[str], **options: Any) -> str:
    """Run a command and return what it prints; a failure ends the start of the stack."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, **options)
    if done.returncode != 0:
        last_words = (done.stdout + done.stderr).strip()[-2000:]
        raise StackError(f"[stack-not-started] {what} ended with {done.returncode}:\n{last_words}\n{AGAIN}")
    return done.stdout


def load(megabytes: int, psql: Sequence[str], redis_cli: Sequence[str], env: Mapping[str, str]) -> None:
    """Plausible data for both servers, through their own clients."""
    loader = [sys.executable, str(_tools.STACK / "load.py")]
    run("Loading PostgreSQL", [*loader, "--megabytes", str(megabytes), "--", *psql], env=env)
    run("Loading Redis", [*loader, "--redis-keys", str(megabytes * REDIS_KEYS_PER_MEGABYTE), "--", *redis_cli, "--pipe"], env=env)


def answers(url: str) -> bool:
    """Whether a GET gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - an http address of ours
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_for(what: str, ready: Callable[[], bool], alive: Callable[[], bool], last_words: Callable[[], str], seconds: float = 60) -> None:
    """Return as soon as it is ready; fail when it has ended, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not alive() or time.monotonic() > deadline:
            state = f"did not answer within {seconds:.0f} s" if alive() else "ended"
            raise StackError(f"[stack-not-started] {what} {state}. Its last words:\n{last_words()}\n{AGAIN}")
        time.sleep(0.05)
