# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Stopping and starting the application's services, one by one, whatever runs them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import _fence, _held_units
from ._command import Command, first_lines, run
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._place import Engine
from ._recreate import brings_back, creation, policy_of

KINDS = ("compose", "container", "systemd", "command")

# Of a log the beginning and the end are read, so much of each. What every start says stands at its beginning, however long ago that was;
# what is rare enough to stand between is taken for new.
_LOG_LINES = 2000
_LOG_BYTES = 1 << 20

Facts = dict[str, Any]

# Compose's own search order: the first of each. https://docs.docker.com/compose/how-tos/multiple-compose-files/merge/
_COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDE_FILES = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml")


def _failed(slug: str, service: str, what: str, reason: str, cure: str) -> OperationError:
    return OperationError(slug, f"Service {service!r}: {what}: {reason}.", "The service was left as it is.", cure)


_MOMENT = re.compile(r"(.{19})(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)")  # engines write nanoseconds, and podman its own zone
_AHEAD = timedelta(seconds=1)


def begins(state: dict[str, Any]) -> str:
    """A moment between the last word of a container's run before and the first of this one.

    The engine notes a start when it is done, and by then the application may have said something.
    """
    started, finished = (_moment(state[key]) for key in ("StartedAt", "FinishedAt"))
    ahead = min(max(started - finished, timedelta()) / 2, _AHEAD)
    return (started - ahead).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    """One that the engine does not know is long ago."""
    match = _MOMENT.fullmatch(text)
    if not match:
        return datetime(2000, 1, 1, tzinfo=timezone.utc)
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(f"{match[1]}.{(match[2] or '').ljust(6, '0')}{zone}")


@dataclass(frozen=True)
class Context:
    """What every kind needs: the engine, and a directory of the stack for files that must last."""

    engine: Engine
    directory: str


class Service:
    """One entry of `dbops_services`."""

    def __init__(self, spec: dict[str, Any], context: Context) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.engine = context.engine
        self.directory = context.directory

    def look(self) -> Facts:
        """name, kind, running, release (what was asked for), image_id (what runs), restart_policy."""
        raise NotImplementedError

    def is_about_to_run(self) -> bool:
        """It does not run, and will without anybody's doing."""
        return False

    def stop(self) -> None:
        raise NotImplementedError

    def start(self, release: str, restart_policy: str, seen: Sequence[str] = ()) -> None:
        """Start what stands there; with `release`, exactly that one; with the policy it had before the stop.

        seen: `containers` of a look of just now, which need not be looked up again then.
        """
        raise NotImplementedError

    def hold(self) -> bool:
        """It is down: see that it stays so until a person has decided. Whether more than its stop was needed for that."""
        return False

    def identity(self, release: str) -> str:
        """The image_id of what runs once `release` does."""
        return release

    def reference(self, release: str, _image_id: str) -> str:
        """What to start so that exactly that image runs."""
        return release

    def keep(self, _restart_policy: str) -> None:
        """It runs as it should; put back what a stop that was cut off had set aside."""

    def log(self, _timeout: float) -> str:
        """What it has logged since it was started, the first and the last of it; "" where that cannot be read."""
        return ""

    def facts(self, **known: Any) -> Facts:
        base = {"name": self.name, "kind": self.spec["kind"], "release": "", "image_id": "", "restart_policy": ""}
        return {**base, "restarting": False, **known}

    def _run(self, command: Command, doing: str, timeout: float = 180) -> str:
        # What would go on alone may stop a service again that somebody has brought back meanwhile.
        answer = run(command, timeout=timeout, tied=True)
        if not answer.ok:
            raise _failed("service-failed", self.name, f"{doing} failed", answer.reason, "Read the service's log, then act on it.")
        return answer.out


class ContainerService(Service):
    """A container by name."""

    def containers(self) -> list[str]:
        return [self.spec.get("container") or self.name]

    def _kept(self) -> str:
        """What the predecessor of a container with another image is called. Between two renames there may be it alone."""
        return f"{self.containers()[0]}__replaced" if self.spec["kind"] == "container" else ""

    def _inspect(self) -> list[dict[str, Any]]:
        found = [self.engine.inspect("container", name) for name in self.containers()]
        known = [facts for facts in found if facts is not None]
        if not known and self._kept():
            known = [facts for facts in [self.engine.inspect("container", self._kept())] if facts is not None]
        if not known:
            raise _failed(
                "service-unknown",
                self.name,
                "the engine has no container of it",
                ", ".join(self.containers()) or "none by its project and service labels",
                "Correct dbops_services, or deploy the application.",
            )
        return known

    def look(self) -> Facts:
        known = self._inspect()
        if any(facts["HostConfig"].get("AutoRemove") for facts in known):
            raise _failed(
                "service-not-stoppable",
                self.name,
                "its container would be gone after a stop",
                "it was started with --rm",
                "Start it without --rm.",
            )
        return self.facts(
            running=any(facts["State"]["Running"] for facts in known),  # one that runs is one that writes
            restarting=any(facts["State"].get("Restarting") for facts in known),  # it ends as soon as it begins
            release=known[0]["Config"]["Image"],
            image_id=known[0]["Image"],
            restart_policy=policy_of(known[0]),
            environment_names=sorted(entry.partition("=")[0] for entry in known[0]["Config"]["Env"] or []),
            containers=[facts["Id"] for facts in known],
            stop_timeout=max(facts["Config"].get("StopTimeout") or 0 for facts in known),
        )

    def log(self, timeout: float) -> str:
        lines = []
        for facts in self._inspect():
            since = ["logs", "--since", begins(facts["State"])]
            answer = run(Command(self.engine.argv(*since, "--tail", str(_LOG_LINES), facts["Id"])), timeout=timeout)
            last = answer.out + answer.err if answer.ok else ""
            if last.count("\n") >= _LOG_LINES:
                lines.append(first_lines(Command(self.engine.argv(*since, facts["Id"])), _LOG_LINES, timeout))
            lines.append(last)
        return "\n".join(lines)

    def _engine(self, *arguments: str, timeout: float = 180) -> None:
        self._run(Command(self.engine.argv(*arguments)), arguments[0], timeout)

    def stop(self) -> None:
        facts = self.look()
        if brings_back(facts["restart_policy"]):
            # A restart of the engine would do so in the middle of the window.
            self._engine("update", "--restart", "no", *facts["containers"])
        # The engine goes on stopping after its client was ended, long after somebody found everything running again.
        self._engine("stop", *facts["containers"], timeout=180 + facts["stop_timeout"])

    def start(self, release: str, restart_policy: str, seen: Sequence[str] = ()) -> None:
        if release or self._kept() or not seen:
            known = self._inspect()
            if self._kept() and known[0]["Name"].lstrip("/") == self._kept():
                self._engine("rename", self._kept(), self.containers()[0])  # a step of `recreate` that was cut off
            if release and not self._runs(known, release):
                self.recreate(release, restart_policy)
                return
            seen = [facts["Id"] for facts in known]
        self._start(restart_policy, *seen)

    def _start(self, restart_policy: str, *containers: str) -> None:
        if brings_back(restart_policy):  # before the start: one that ends at once is not brought back by a policy that comes after
            self._engine("update", "--restart", restart_policy, *containers)
        self._engine("start", *containers)

    def keep(self, restart_policy: str) -> None:
        facts = self.look()
        if brings_back(restart_policy) and restart_policy != facts["restart_policy"]:
            self._engine("update", "--restart", restart_policy, *facts["containers"])

    def identity(self, release: str) -> str:
        image = self.engine.inspect("image", release)
        return str(image["Id"]) if image else ""

    def reference(self, release: str, image_id: str) -> str:
        # Its name while that still means the same: people, Compose and the next window know it by that.
        return release if self.identity(release) == image_id else image_id

    def _runs(self, known: list[dict[str, Any]], release: str) -> bool:
        image_id = self.identity(release)
        return all(facts["Image"] == image_id for facts in known)

    def recreate(self, release: str, restart_policy: str) -> None:
        """The same container with another image. Its predecessor is kept, stopped, until the next release."""
        name, kept = self.containers()[0], self._kept()
        predecessor = self.engine.inspect("container", kept)
        if predecessor and self._runs([predecessor], release):
            self._engine("rm", "--force", name)
            self._engine("rename", kept, name)
        else:
            from ._engine_api import create  # late: clients would wait for its import where nothing is created

            container = self._inspect()[0]
            image = self.engine.inspect("image", container["Image"]) or {"Config": {}}
            self.engine.run("rm", "--force", f"{name}__new")  # of an attempt that was cut off
            new = create(self.engine, f"{name}__new", creation(container, image, release, restart_policy))
            if predecessor:
                self._engine("rm", kept)
            self._engine("rename", name, kept)
            self._engine("rename", new, name)
        self._start(restart_policy, name)


class ComposeService(ContainerService):
    """One service of a Compose project; the project as a whole is never touched."""

    @property
    def service(self) -> str:
        return self.spec.get("service") or self.name

    @property
    def _override(self) -> str:
        return os.path.join(self.directory, "compose", f"{self.name}.yml")

    def containers(self) -> list[str]:
        # Not what `docker compose run` left behind: it has the labels of the service, and is none.
        labels = {"project": self._project(), "service": self.service, "oneoff": "False"}
        filters = [part for key, value in labels.items() for part in ("--filter", f"label=com.docker.compose.{key}={value}")]
        return self._run(Command(self.engine.argv("ps", "--all", "--quiet", "--no-trunc", *filters)), "looking").split()

    def _project(self) -> str:
        if self.spec.get("project_name"):
            return str(self.spec["project_name"])
        answer = self._run(self.project_command(["config", "--format", "json"]), "reading the project")
        return str(json.loads(answer)["name"])

    def _files(self) -> list[str]:
        source = self.spec["project_src"]
        files = [os.path.join(source, name) for name in self.spec.get("files") or []]
        if not files:
            present = set(os.listdir(source)) if os.path.isdir(source) else set()
            for names in (_COMPOSE_FILES, _OVERRIDE_FILES):
                files += [os.path.join(source, name) for name in names if name in present][:1]
        if not files:
            raise _failed("service-unknown", self.name, "no Compose file", source, "Correct project_src and files in dbops_services.")
        return files

    def _compose(self, arguments: list[str], files: list[str]) -> Command:
        flags = ["--project-directory", self.spec["project_src"]]
        if self.spec.get("project_name"):
            flags += ["--project-name", self.spec["project_name"]]
        flags += [part for file in files for part in ("--file", file)]
        env_files = [os.path.join(self.spec["project_src"], file) for file in self.spec.get("env_files") or []]
        flags += [part for file in env_files for part in ("--env-file", file)]
        flags += [part for profile in self.spec.get("profiles") or [] for part in ("--profile", profile)]
        return Command(self.engine.argv("compose", *flags, *arguments))

    def project_command(self, arguments: list[str]) -> Command:
        """A command of Compose on the project as its files describe it."""
        return self._compose(arguments, self._files())

    def recreate(self, release: str, _restart_policy: str) -> None:
        """The project's own definition with another image, and nothing else re-created."""
        make_private_directory(os.path.dirname(self._override))
        write_json(self._override, {"services": {self.service: {"image": release}}})
        up = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never"]
        replicas = len(self.containers())
        if replicas > 1:  # somebody may have scaled it by hand, of which the project's files know nothing
            up += ["--scale", f"{self.service}={replicas}"]
        up.append(self.service)
        self._run(self._compose(up, [*self._files(), self._override]), "up")


class SystemdService(Service):
    """A unit of systemd."""

    @property
    def unit(self) -> str:
        return self.spec.get("unit") or self.name

    def look(self) -> Facts:
        out = self._run(Command(["systemctl", "show", "--property", "LoadState,ActiveState", self.unit]), "systemctl show")
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        if values.get("LoadState") != "loaded":
            raise _failed("service-unknown", self.name, "systemd has no such unit", self.unit, "Correct dbops_services.")
        return self.facts(running=values.get("ActiveState") in ("active", "activating", "reloading"))

    def is_about_to_run(self) -> bool:
        """A start of the machine has it in its queue."""
        out = self._run(Command(["systemctl", "show", "--property", "Job", "--value", self.unit]), "systemctl show")
        return out.strip() not in ("", "0")

    def log(self, timeout: float) -> str:
        invocation = run(Command(["systemctl", "show", "--property", "InvocationID", "--value", self.unit]), timeout=timeout).out.strip()
        said = ["journalctl", "--quiet", "--no-pager", "--output", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}"]
        last = run(Command([*said, "--lines", str(_LOG_LINES)]), timeout=timeout).out
        return last if last.count("\n") < _LOG_LINES else first_lines(Command(said), _LOG_LINES, timeout) + last

    def stop(self) -> None:
        self._run(Command(["systemctl", "stop", self.unit]), "systemctl stop")

    def hold(self) -> bool:
        _held_units.hold(self.directory, self.unit)
        return True

    def start(self, _release: str, _restart_policy: str, _seen: Sequence[str] = ()) -> None:
        _held_units.let_go(self.directory, self.unit)
        # The switch of a window comes before the application's units: they would wait for it, and it for them.
        listing = ["list-units", "--plain", "--no-legend", "--state=activating", "dbops-window-*.service"]
        at_work = self._run(Command(["systemctl", *listing]), "systemctl list-units").strip()
        mode = ["--job-mode=ignore-dependencies"] if at_work else []
        self._run(Command(["systemctl", "start", *mode, self.unit]), "systemctl start")


class CommandService(Service):
    """Commands of the user's: `start`, `stop`, `status`, and `log`, which may be left out.

    `status` exits 0 when the service runs and 3 when it does not (as LSB init scripts do), and may print the
    release. `start` finds the release to run in the variable DBOPS_IMAGE. `log` prints what it has logged since its start.
    """

    STOPPED = 3

    def look(self) -> Facts:
        answer = run(Command(list(self.spec["status"])), timeout=30)
        if answer.code not in (0, self.STOPPED):
            raise _failed("service-unknown", self.name, "its status command failed", answer.reason, "Correct dbops_services.")
        release = answer.out.strip()
        return self.facts(running=answer.ok, release=release, image_id=release)

    def log(self, timeout: float) -> str:
        said = run(Command(list(self.spec["log"])), timeout=timeout).out if self.spec.get("log") else ""
        return said if len(said) <= 2 * _LOG_BYTES else f"{said[:_LOG_BYTES]}\n{said[-_LOG_BYTES:]}"

    def stop(self) -> None:
        self._run(Command(list(self.spec["stop"])), "stop")

    def start(self, release: str, _restart_policy: str, _seen: Sequence[str] = ()) -> None:
        env = {"DBOPS_IMAGE": release} if release else {}
        # A task file of a window has these, by which whoever takes the window over finds what to end. A service is to stay.
        self._run(Command(list(self.spec["start"]), env, without=(_fence.MARK, "PGAPPNAME")), "start")


_CLASSES: dict[str, type[Service]] = {
    "compose": ComposeService,
    "container": ContainerService,
    "systemd": SystemdService,
    "command": CommandService,
}


def service_of(spec: dict[str, Any], context: Context) -> Service:
    return _CLASSES[spec["kind"]](spec, context)


def services_of(specs: list[dict[str, Any]], context: Context) -> list[Service]:
    """All of `dbops_services`, which has to name at least one, and each by a name of its own."""
    names = [spec["name"] for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise OperationError(
            "services-malformed",
            f"dbops_services names {', '.join(map(repr, twice))} more than once." if twice else "dbops_services names no service.",
            "Nothing was changed.",
            "Give each service a name of its own." if twice else "Name what writes to the database: it has to stop during a window.",
        )
    return [service_of(spec, context) for spec in specs]
