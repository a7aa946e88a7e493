# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushing keys of Redis and looking through them, against what the runbook and people do by hand."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import _database
from _harness import Benchmark, seconds

CONTAINER = "dbops-bench-redis"
MILLION = 1_000_000
FEW = 500  # keys on which the runbook's way is measured: a million of them take it fifteen hours
PATTERN = "cache:stats:*"

# A tenth is a cache, the rest what the application keeps beside it; `first` of ten is what goes.
FILL = """
local others = {'payment:idem:', 'auth:refresh:', 'auth:revoked:', 'ratelimit:ip:', 'session:user:'}
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local prefix = n % 10 < tonumber(ARGV[3]) and 'cache:stats:' or others[n % 5 + 1]
  redis.call('SET', prefix .. 'seller-' .. n, '{"orders": ' .. n % 97 .. ', "revenue": "' .. n .. '.00"}', 'EX', 3600)
end
"""
BATCH = 100_000

_path: list[Path] = []


def cli(*command: str) -> str:
    return _database.docker("exec", CONTAINER, "redis-cli", *command)


def fill(keys: int, of_ten: int) -> None:
    """Set so many keys; those that are there already stay as they are."""
    for first in range(0, keys, BATCH):
        cli("EVAL", FILL, "0", str(first), str(first + BATCH - 1), str(of_ten))


@contextmanager
def redis(keys: int = MILLION, of_ten: int = 1) -> Iterator[None]:
    """A server with so many keys, of which so many of ten match."""
    build = [sys.executable, "tests/images/build.py", "redis"]
    image = json.loads(subprocess.run(build, cwd=_database.ROOT, stdout=subprocess.PIPE, check=True).stdout)["redis"]
    try:
        _database.docker("run", "--detach", "--name", CONTAINER, image, "redis-server", "--save", "")
        _database.docker("exec", CONTAINER, "sh", "-c", "until redis-cli PING | grep -q PONG; do sleep 0.1; done")
        cli("SET", "dbops:environment", _database.STACK)
        fill(keys, of_ten)
        with _database.directory() as path:
            _path[:] = [path]
            yield
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", CONTAINER], stdout=subprocess.DEVNULL, check=True)


def options(**more: Any) -> dict[str, Any]:
    return {"redis_container": CONTAINER, "backup_dir": None, **more}


def flush() -> dict[str, Any]:
    """Our module, the start of its process included."""
    return _database.module("redis_flush", _path[0], **options(pattern=PATTERN, confirm=f"{_database.STACK}/redis"))


def timed_flush(keys: int, of_ten: int) -> float:
    fill(keys, of_ten)
    matching = keys * of_ten // 10
    taken = seconds(lambda: _require(flush()["removed"], matching))
    _require(int(cli("DBSIZE")), keys - matching + 1)
    return taken


def _require(found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{found} keys, not {wanted}")


def runbook() -> float:
    """Seconds for a hundred thousand keys at what each of the first 500 takes; looking for them is not counted."""
    fill(MILLION, 1)
    names = _database.docker("exec", CONTAINER, "sh", "-c", f"redis-cli --scan --pattern '{PATTERN}' | head -n {FEW}")
    delete = ["xargs", "-L", "1", "docker", "exec", CONTAINER, "redis-cli", "DEL"]
    run = partial(subprocess.run, delete, input=names, stdout=subprocess.DEVNULL, text=True, check=True)
    return seconds(run) / FEW * MILLION / 10


def by_hand() -> float:
    """What somebody does who knows better, inside the container."""
    fill(MILLION, 1)
    command = f"redis-cli --scan --pattern '{PATTERN}' | xargs -n 1000 redis-cli UNLINK > /dev/null"
    taken = seconds(lambda: _database.docker("exec", CONTAINER, "sh", "-c", command))
    _require(int(cli("DBSIZE")), MILLION * 9 // 10 + 1)
    return taken


def look() -> float:
    whole = partial(_database.module, "redis_keyspace_info", _path[0], **options(sample=0, pg_url=None, postgres_container=None))
    return seconds(lambda: _require(whole()["keys"], MILLION + 1))


def memory() -> float:
    """MiB of our process and of its redis-cli together, at most."""
    highest, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            listed = subprocess.run(["docker", "top", CONTAINER, "-o", "pid,comm"], capture_output=True, text=True, check=False).stdout
            for pid in (line.split()[0] for line in listed.splitlines() if line.endswith("redis-cli")):
                status = Path(f"/proc/{pid}/status")
                if status.exists():
                    highest.append(*(int(line.split()[1]) for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ours = _database.peak_memory("redis_flush", _path[0], **options(pattern=PATTERN, confirm=f"{_database.STACK}/redis"))
    finally:
        done.set()
        watcher.join()
    _require(int(cli("DBSIZE")), 1)
    return ours + max(highest) / 1024


# -- somebody else meanwhile -----------------------------------------------------------------------------------------

GET = b"*2\r\n$3\r\nGET\r\n$21\r\nauth:refresh:seller-1\r\n"
PAUSE = 0.002  # seconds between two requests


def latency(until: threading.Event) -> float:
    """Milliseconds within which 99 of 100 requests of another client are answered, until it is enough."""
    address = _database.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", CONTAINER).strip()
    taken = []
    with socket.create_connection((address, 6379)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not until.wait(PAUSE):
            began = time.perf_counter()
            client.sendall(GET)
            client.recv(4096)
            taken.append(1000 * (time.perf_counter() - began))
    return quantiles(taken, n=100)[98]


def idle() -> float:
    until = threading.Event()
    threading.Timer(5, until.set).start()
    return latency(until)


def meanwhile() -> float:
    fill(MILLION, 9)
    ended = threading.Event()

    def work() -> None:
        try:
            flush()
        finally:
            ended.set()

    threading.Thread(target=work).start()
    return latency(ended)


BENCHMARKS = (
    Benchmark(
        name="redis-flush-runbook",
        what=f"flush of 100000 keys among a million, against the runbook's own, measured on {FEW} keys and scaled",
        unit="s",
        goal=1 / 500,
        ours=partial(timed_flush, MILLION, 1),
        theirs=runbook,
        around=redis,
    ),
    Benchmark(
        name="redis-flush-by-hand",
        what="flush of 100000 keys among a million, against redis-cli --scan | xargs -n 1000 redis-cli UNLINK inside the container",
        unit="s",
        goal=1 / 0.8,
        ours=partial(timed_flush, MILLION, 1),
        theirs=by_hand,
        around=redis,
    ),
    Benchmark(
        name="redis-flush-million",
        what="flush of a million keys",
        unit="s",
        goal=15.0,
        ours=partial(timed_flush, MILLION, 10),
        around=partial(redis, MILLION, 10),
    ),
    Benchmark(
        name="redis-flush-memory",
        what="memory for the flush of ten million keys, our process and its redis-cli",
        unit="MB",
        goal=64,
        ours=memory,
        runs=1,
        around=partial(redis, 10 * MILLION, 10),
    ),
    Benchmark(
        name="redis-flush-latency",
        what="99th percentile of what another client waits during a flush of 900000 keys, against an idle server",
        unit="ms",
        goal=3.0,
        ours=meanwhile,
        theirs=idle,
        enough=5.0,
        around=partial(redis, MILLION, 9),
    ),
    Benchmark(
        name="redis-keyspace-million",
        what="looking through a million keys",
        unit="s",
        goal=20.0,
        ours=look,
        around=redis,
    ),
)
