# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample stack as plain processes of this machine: no containers, no root, everything under one directory."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import _tools
from _common import DATABASES, SEEDS, USER, answers, load, run, to_json, wait_for
from _process import Account, Server
from _tools import StackError

# sockaddr_un ends after 107 bytes, and PostgreSQL adds the name of its socket.
LONGEST_SOCKET_DIRECTORY = 85


def _reachable(directory: Path) -> bool:
    """Whether the servers' account can go there; a checkout under /root is closed to it."""
    nearest = next(folder for folder in (directory, *directory.parents) if folder.exists())
    return os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (nearest, *nearest.parents))


def _directory(name: str, wanted: Path | None) -> Path:
    """Beside the checkout's other state where that serves, else in the machine's own place for such files."""
    usual = _tools.REPOSITORY / ".stack" / name
    elsewhere = Path("/var/tmp") / f"amanat-dbops-{zlib.crc32(os.fsencode(_tools.REPOSITORY)):08x}-{name}"  # noqa: S108 - made by mkdir, which follows nobody's lead
    candidates = [wanted] if wanted else [usual, elsewhere]
    for candidate in candidates:
        if _reachable(candidate) and len(os.fsencode(candidate / "run")) <= LONGEST_SOCKET_DIRECTORY:
            return candidate
    raise StackError(
        f"[directory-unfit] The servers cannot work in {candidates[-1]}: its path is longer than {LONGEST_SOCKET_DIRECTORY - 4} bytes, "
        "or it lies in a directory that is closed to them. Nothing was started. Next: name another one with --directory."
    )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _link_or_copy(source: str, target: str) -> str:
    """Costs neither time nor space where both lie in one file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _copy_tree(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, symlinks=True, copy_function=_link_or_copy))


def _home_of(program: Path, home: Path) -> Path:
    """Where the stack finds a program: its own copy of what was unpacked for it, or where the machine has it anyway."""
    packaged = _tools.CACHE / "tools"
    return home / "tools" / program.relative_to(packaged) if program.is_relative_to(packaged) else program


class Embedded:
    """PostgreSQL, Redis (or Valkey) and the backend, each a process in a session of its own."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.directory = Path(state["directory"])
        self.account = Account.for_servers()
        logs = self.directory / "logs"
        self.postgres, self.redis, self.backend = (
            Server(logs / f"{name}.log", logs / f"{name}.pid") for name in ("postgres", "redis", "backend")
        )

    @classmethod
    def plan(cls, name: str, environment: str, release: str, directory: Path | None) -> Embedded:
        home = _directory(name, directory)
        postgres_port, redis_port, backend_port = _free_ports(3)
        redis_server, redis_client = _tools.redis()
        control = [sys.executable, str(_tools.STACK / "stack.py"), "service"]
        return cls(
            {
                "kind": "embedded",
                "name": name,
                "environment": environment,
                "directory": str(home),
                "release": release,
                "releases": {each: str(home / "releases" / each) for each in sorted({"1", "2", release})},
                "env_file": str(home / "backend.env"),
                "secrets_file": str(home / "secrets.json"),
                "health_url": f"http://127.0.0.1:{backend_port}/api/health",
                "node_bin": str(_home_of(_tools.node_bin(), home)),
                "postgres": {
                    "host": "127.0.0.1",
                    "port": postgres_port,
                    "socket": str(home / "run"),
                    "user": USER,
                    "database": DATABASES[environment],
                    "data": str(home / "postgres"),
                    "bin": str(_home_of(_tools.postgresql() / "bin", home)),
                },
                "redis": {
                    "host": "127.0.0.1",
                    "port": redis_port,
                    "data": str(home / "redis"),
                    "server": str(_home_of(redis_server, home)),
                    "cli": str(_home_of(redis_client, home)),
                },
                "backend": {
                    "host": "127.0.0.1",
                    "port": backend_port,
                    **{verb: [*control, verb, "backend", "--name", name] for verb in ("start", "stop", "status", "log")},
                },
            }
        )

    def up(self) -> None:
        passwords = {"postgres_password": secrets.token_urlsafe(18), "redis_password": secrets.token_urlsafe(18)}
        self._prepare(passwords)
        self._start_redis(passwords["redis_password"])
        self._start_postgres(passwords["postgres_password"])
        self._in_release("npx", "--no-install", "drizzle-kit", "migrate")
        self.start_backend(self.state["releases"][self.state["release"]])
        wait_for("The backend", lambda: answers(self.state["health_url"]), self.backend.is_running, self.backend.last_words)

    def down(self) -> None:
        self.stop_backend()
        self.redis.stop()
        self.postgres.stop(signal.SIGINT, seconds=60)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def fill(self, megabytes: int) -> None:
        for seed in SEEDS:
            self._in_release("node", "-e", f"require('./dist/seeds/{seed}.js')")
        postgres, redis = self.state["postgres"], self.state["redis"]
        connection = ["-h", postgres["socket"], "-p", str(postgres["port"]), "-U", postgres["user"], "-d", postgres["database"]]
        passwords = json.loads(Path(self.state["secrets_file"]).read_text(encoding="utf-8"))
        load(
            megabytes,
            [f"{postgres['bin']}/psql", "-X", "-q", *connection],
            [redis["cli"], "-h", redis["host"], "-p", str(redis["port"])],
            self._environment(PGPASSWORD=passwords["postgres_password"], REDISCLI_AUTH=passwords["redis_password"]),
        )

    def services(self) -> dict[str, bool]:
        return {name: getattr(self, name).is_running() for name in ("postgres", "redis", "backend")}

    # -- the pieces of `up` --

    def _prepare(self, passwords: dict[str, str]) -> None:
        self.directory.mkdir(mode=0o755, parents=True)
        (self.directory / "logs").mkdir()
        (self.directory / "releases").mkdir()
        for name in ("run", "home", "redis"):
            self.account.make_directory(self.directory / name)
        tools = self.directory / "tools"
        for program in (self.state["postgres"]["bin"], self.state["redis"]["server"], self.state["node_bin"]):
            if Path(program).is_relative_to(tools):
                package = Path(program).relative_to(tools).parts[0]
                _copy_tree(_tools.CACHE / "tools" / package, tools / package)
        for release, directory in self.state["releases"].items():
            _copy_tree(_tools.built_release(release) / "app", Path(directory))
        me = Account(os.geteuid(), os.getegid())
        me.write(Path(self.state["secrets_file"]), to_json(passwords))
        postgres, redis, backend = (self.state[name] for name in ("postgres", "redis", "backend"))
        environment = {
            "PG_URL": f"postgres://{postgres['user']}:{passwords['postgres_password']}@{postgres['host']}:{postgres['port']}/{postgres['database']}",
            "REDIS_URL": f"redis://:{passwords['redis_password']}@{redis['host']}:{redis['port']}",
            "HOST": backend["host"],
            "PORT": str(backend["port"]),
            "NODE_ENV": "production",
        }
        me.write(Path(self.state["env_file"]), "".join(f"{key}={value}\n" for key, value in environment.items()))

    def _environment(self, **more: str) -> dict[str, str]:
        path = os.pathsep.join([self.state["postgres"]["bin"], self.state["node_bin"], os.environ.get("PATH", os.defpath)])
        home = str(self.directory / "home")
        caches = {"npm_config_cache": home, "NODE_COMPILE_CACHE": home, "TMPDIR": home}
        return {"PATH": path, "HOME": home, "LC_ALL": "C.UTF-8", "npm_config_update_notifier": "false", **caches, **more}

    def _succeeds(self, argv: Sequence[str]) -> bool:
        return subprocess.run(argv, env=self._environment(), capture_output=True, check=False).returncode == 0

    def _run(self, what: str, argv: Sequence[str], cwd: Path, **environment: str) -> None:
        run(what, argv, env=self._environment(**environment), cwd=cwd, **self.account.identity())

    def _start_redis(self, password: str) -> None:
        redis = self.state["redis"]
        configuration = Path(redis["data"]) / "redis.conf"
        lines = [
            f"bind {redis['host']}",
            f"port {redis['port']}",
            f"dir {redis['data']}",
            f"requirepass {password}",
            "save 3600 1 300 100 60 10000",
        ]
        self.account.write(configuration, "\n".join(lines) + "\n")
        self.redis.start([redis["server"], str(configuration)], self.account, self._environment(), self.directory)

    def _start_postgres(self, password: str) -> None:
        postgres = self.state["postgres"]
        programs, run = Path(postgres["bin"]), Path(postgres["socket"])
        password_file = run / "password"
        self.account.write(password_file, password)
        data = self.account.make_directory(Path(postgres["data"]))
        options = [f"--pgdata={data}", f"--username={postgres['user']}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        # Its own rules for text, so that the machine's locales do not matter; nothing is lost if the machine fails while it is made.
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--no-sync"]
        # The server finds what it is linked with beside itself, but not what those libraries want in turn.
        libraries = {"LD_LIBRARY_PATH": str(programs.parent / "lib")}
        self._run("initdb", [str(programs / "initdb"), *options], run, **libraries)
        password_file.unlink()
        settings = {
            "listen_addresses": postgres["host"],
            "port": postgres["port"],
            "unix_socket_directories": str(run),
            "shared_preload_libraries": "pg_stat_statements",
        }
        with (data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        self.postgres.start([str(programs / "postgres"), "-D", str(data)], self.account, self._environment(**libraries), self.directory)
        ready = [str(programs / "pg_isready"), "--quiet", f"--host={run}", f"--port={postgres['port']}"]
        wait_for("PostgreSQL", lambda: self._succeeds(ready), self.postgres.is_running, self.postgres.last_words)
        connection = [f"--host={run}", f"--port={postgres['port']}", f"--username={postgres['user']}"]
        self._run("createdb", [str(programs / "createdb"), *connection, postgres["database"]], run, PGPASSWORD=password)

    def backend_environment(self) -> dict[str, str]:
        lines = Path(self.state["env_file"]).read_text(encoding="utf-8").splitlines()
        return self._environment(**dict(line.split("=", 1) for line in lines))

    def _in_release(self, *argv: str) -> None:
        program = str(Path(self.state["node_bin"]) / argv[0])
        release = Path(self.state["releases"][self.state["release"]])
        self._run(" ".join(argv), [program, *argv[1:]], release, **self.backend_environment())

    # -- the backend as a service of kind `command` --

    @property
    def _release_file(self) -> Path:
        return self.directory / "backend.release"

    def running_release(self) -> str | None:
        """What `DBOPS_IMAGE` was when the backend was started, while it runs."""
        return self._release_file.read_text(encoding="utf-8").strip() if self.backend.pid() else None

    def start_backend(self, release: str | None) -> None:
        """Start a release, given by its directory; without one, what ran last."""
        wanted = release or self._release_file.read_text(encoding="utf-8").strip()
        running = self.running_release()
        if running == wanted:
            return
        if running:
            raise StackError(f"[service-running] The backend runs {running}; it was left alone. Next: stop it, then start {wanted}.")
        if not Path(wanted, "dist", "server.js").is_file():
            raise StackError(
                f"[release-unknown] {wanted} holds no built backend; the backend is stopped. "
                f"Next: set DBOPS_IMAGE to one of {', '.join(self.state['releases'].values())}."
            )
        self._release_file.write_text(f"{wanted}\n", encoding="utf-8")
        node = str(Path(self.state["node_bin"]) / "node")
        self.backend.start([node, "dist/server.js"], self.account, self.backend_environment(), Path(wanted))

    def stop_backend(self) -> None:
        self.backend.stop(seconds=10)
