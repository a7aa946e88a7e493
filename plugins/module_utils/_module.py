# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What every module of the collection does the same way."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar

from ansible.module_utils.basic import AnsibleModule

from . import _audit, _clock, _fence, _identity, _journal, _manifest, _owner, _pg_clone, _window
from ._errors import OperationError
from ._files import require_absolute
from ._job import Job, Progress, clean
from ._pg_url import PgUrl
from ._place import Engine, Place, cores
from ._psql import Server, server_at
from ._stack import Stack

Planned = TypeVar("Planned")

# Options of the doc fragment `_target`.
TARGET_OPTIONS: dict[str, Any] = {
    "stack": {"type": "str", "required": True},
    "state_dir": {"type": "path", "default": "/var/lib/dbops"},
    "engine": {"type": "str", "default": "docker"},
    "engine_socket": {"type": "str", "default": ""},
    "fence": {"type": "str", "default": ""},
    "begins": {
        "type": "dict",
        "options": {
            "phase": {"type": "str", "required": True, "choices": ["operated", "started"]},
            "record": {"type": "dict", "default": {}},
            "done": {"type": "bool", "default": False},
        },
    },
}

# Options of the doc fragment `_postgres`.
POSTGRES_OPTIONS: dict[str, Any] = {
    "postgres_container": {"type": "str", "default": ""},
    "postgres_bin_dir": {"type": "str", "default": ""},
    "pg_url": {"type": "str", "required": True, "no_log": True},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "allowed_servers": {"type": "list", "elements": "str", "default": []},
}

# Options of the doc fragment `_audit`.
AUDIT_OPTIONS: dict[str, Any] = {
    "by": {"type": "dict", "default": {}, "options": {name: {"type": "str"} for name in ("user", "controller", "job_id", "revision")}},
    "audited": {"type": "bool"},
}

# Options of the doc fragment `_job`.
JOB_OPTIONS: dict[str, Any] = {
    "job": {"type": "str"},
    "wait": {"type": "float", "default": 5.0},
}

# Options of the doc fragment `_backups`.
BACKUPS_OPTIONS: dict[str, Any] = {
    "backup_dir": {"type": "path", "required": True},
    "series": {"type": "str"},
}


def main_of(
    module: AnsibleModule,
    body: Callable[[AnsibleModule], dict[str, Any]],
    *,
    secrets_in_options: bool = True,
    reads: bool = False,
    begins_itself: bool = False,
    learnt: Callable[[dict[str, Any]], dict[str, Any]] = lambda _result: {},
) -> None:
    """Run a module's body: its dictionary is the result, an OperationError is the failure.

    secrets_in_options: False where no option is a secret, so that a result, however large, is not searched for any.
    reads: True where nothing is written, so that whoever may read the stack's folder may ask.
    begins_itself: True where the body says by `begin` when its phase begins, as it has something to look at first.
    learnt: what the journal shall say of the result, where a phase begins with it.
    """
    try:
        if not reads:
            _require_own(module)
        with _guards_recorded(module), _fenced(module):
            _name_the_job(module)
            if not begins_itself:
                begin(module)
            result = body(module)
            if not result.get("failed") and not (result.get("job") or {}).get("running"):
                begin(module, done=True, learnt=learnt(result))
    except OperationError as error:
        result = {"failed": True, **error.as_result()}
    except OSError as error:
        result = {"failed": True, **file_failure(error).as_result()}
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**{"msg": "", **result})
    if secrets_in_options:
        module.exit_json(**result)
    module.do_cleanup_files()
    sys.stdout.write(json.dumps({**result, "invocation": {"module_args": module.params}}) + "\n")
    raise SystemExit(0)


def _require_own(module: AnsibleModule) -> None:
    if not {"stack", "state_dir"} <= module.params.keys():
        return
    try:
        directory = stack_of(module).directory
    except OperationError:  # without a name it has no folder; that is for whoever wants one to say
        return
    _owner.require(directory)


def _is_audited(module: AnsibleModule) -> bool:
    """Whether refusals are recorded: not in check mode, unless that is a run's own, which looks ahead before anything is done."""
    audited = module.params.get("audited")
    return not module.check_mode if audited is None else bool(audited)


@contextlib.contextmanager
def refusals_recorded(module: AnsibleModule, **facts: Any) -> Iterator[None]:
    """What is refused within goes to the stack's audit log, but for check mode. facts: to be remembered with it."""
    try:
        yield
    except OperationError as error:
        if _is_audited(module) and error.slug != "stack-malformed":
            _audit.refused(stack_of(module), error, module.params["by"], **facts)
        raise


# What is refused lest the wrong database or server be reached, or migrations lead elsewhere, is remembered wherever it is met.
_GUARDS = ("server-", "stamp-", "migrations-", "pg-url-elsewhere")


@contextlib.contextmanager
def _guards_recorded(module: AnsibleModule) -> Iterator[None]:
    """Such a refusal goes to the audit log, unless whoever met it has seen to that."""
    try:
        yield
    except OperationError as error:
        if error.slug.startswith(_GUARDS) and not error.recorded and _is_audited(module):
            with contextlib.suppress(OperationError):  # the stack has no name: there is no log of it
                _audit.refused(stack_of(module), error, module.params.get("by"))
        raise


@contextlib.contextmanager
def removal_recorded(module: AnsibleModule, event: str, **facts: Any) -> Iterator[dict[str, Any]]:
    """What is removed within goes to the stack's audit log, also where that ends in the middle, with the reason.

    Yields the facts of the line, of which `removed` has to be kept up to date. What ends well without removing anything is not recorded.
    """
    facts["removed"] = 0
    try:
        yield facts
    except OperationError as error:
        _audit.failed(stack_of(module), event, error, module.params["by"], **facts)
        raise
    if facts["removed"]:
        _audit.record(stack_of(module), event, module.params["by"], **facts)


def _fenced(module: AnsibleModule) -> contextlib.AbstractContextManager[None]:
    """A step of a window works only while the window is its controller's."""
    fence = module.params.get("fence", "")
    return _fence.held(stack_of(module), fence) if fence else contextlib.nullcontext()


def window_of(module: AnsibleModule) -> str:
    """The window that this is a step of; "" outside one."""
    return str(module.params.get("fence", "")).rpartition("/")[0]


def moment_of(module: AnsibleModule) -> datetime:
    """The time after which a window's databases are named."""
    try:
        return datetime.strptime(module.params["moment"], _pg_clone.STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        module.fail_json(msg=f"moment: {module.params['moment']!r} is no time as in 20261122T170102Z")


def note_stopping(module: AnsibleModule) -> None:
    """In a window the journal says from when on services are being stopped."""
    if (window := window_of(module)) and not module.check_mode:
        _journal.change(stack_of(module), window, lambda journal: _window.annotate(journal, {"stopping": True}))


def marks_opening(module: AnsibleModule) -> Callable[[str], None] | None:
    """In a window the journal says from when on the application can write again."""
    window = window_of(module)
    if not window:
        return None

    def note(mark: str) -> None:
        _journal.change(stack_of(module), window, lambda held: {**held, "mark": mark})

    return note


def _name_the_job(module: AnsibleModule) -> None:
    """The job of a step is its window's, whatever role it belongs to: whoever takes the window over ends it, too."""
    window, job = window_of(module), module.params.get("job")
    if window and job and not job.startswith(f"{window}-"):
        module.params["job"] = f"{window}-{job}"


def begin(module: AnsibleModule, *, done: bool = False, learnt: dict[str, Any] | None = None) -> None:
    """The step is the first of a phase, or the last before it.

    While clients wait, a task of its own that only says so would cost them its start.
    """
    begins = module.params.get("begins")
    if not begins or begins["done"] != done or module.check_mode:
        return
    now, clock = datetime.now(timezone.utc), _clock.read()

    def begun(held: _window.Journal) -> _window.Journal:
        if held["phase"] == begins["phase"]:  # a job is asked how it stands by the same step again
            return held
        return _window.advance(held, begins["phase"], now, clock, {**begins["record"], **(learnt or {})})

    _journal.change(stack_of(module), window_of(module), begun)


def file_failure(error: OSError) -> OperationError:
    return OperationError(
        "target-file",
        f"{error.filename or 'A file'}: {error.strerror or error}.",
        "The step ended there.",
        "Look at that path on the target; where its folder belongs to root as well, run with become, else give it to the folder's owner.",
    )


def stack_of(module: AnsibleModule) -> Stack:
    return Stack.parse(module.params["stack"], module.params["state_dir"])


def engine_of(module: AnsibleModule) -> Engine:
    return Engine(module.params["engine"], module.params["engine_socket"], window_of(module))


def place_of(module: AnsibleModule) -> Place:
    return Place(engine_of(module), module.params["postgres_container"], module.params["postgres_bin_dir"])


def jobs_of(module: AnsibleModule, container: dict[str, Any]) -> int:
    """Connections that work at the same time: as many as are asked for, else as many as the server has processors."""
    return int(module.params["jobs"] or cores(len(os.sched_getaffinity(0)), container.get("HostConfig", {})))


def url_of(module: AnsibleModule) -> PgUrl:
    url = PgUrl.parse(module.params["pg_url"])
    _identity.require_host(url, module.params["allowed_servers"])
    return url


def server_of(module: AnsibleModule) -> Server:
    """The server as the operator reaches it."""
    return server_and_container_of(module)[0]


def server_and_container_of(module: AnsibleModule) -> tuple[Server, dict[str, Any]]:
    """And what the engine knows of its container; {} where it is in none."""
    params, place, url = module.params, place_of(module), url_of(module)
    return server_at(place, url, params["login_user"] or "", params["login_password"] or ""), place.running()


def backup_dir_of(module: AnsibleModule, option: str = "backup_dir") -> str:
    """The directory of the backups. A link is not followed: it may lead elsewhere in the next moment, and files are removed there."""
    path, name = str(module.params[option]), "dbops_backup_dir" if option == "backup_dir" else option
    require_absolute(path, name)
    if os.path.islink(path.rstrip("/")):
        raise OperationError(
            "backup-dir-link",
            f"{path} is a symbolic link.",
            "Nothing was changed.",
            f"Set {name} to what it leads to: {os.path.realpath(path)}",
        )
    return path


def series_of(module: AnsibleModule) -> str:
    """The series that is meant: by default that of the database in the URL, whether the server answers or not."""
    return require_series(module.params["series"] or f"{_manifest.safe_series(url_of(module).database)}_pg")


def require_series(series: str) -> str:
    """The name of a series, which it has to be."""
    if not _manifest.SERIES.fullmatch(series):
        raise OperationError(
            "series-malformed",
            f"{series!r} is no name of a series.",
            "Nothing was changed.",
            "Use letters, digits, dot, hyphen and underscore, beginning with a letter or a digit.",
        )
    return series


def planned_job(
    module: AnsibleModule,
    plan: Callable[[AnsibleModule], Planned],
    foresee: Callable[[Planned], dict[str, Any]],
    work: Callable[[Planned, Progress], dict[str, Any]],
) -> dict[str, Any]:
    """A job whose work has a plan; check mode only tells what is foreseen of it. plan: finds everything that can be found wrong before."""
    if module.check_mode:
        return foresee(plan(module))

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        made = plan(module)
        return lambda progress: work(made, progress)

    return run_as_job(module, prepare)


def _guarded(module: AnsibleModule, work: Callable[[Progress], dict[str, Any]], progress: Progress) -> dict[str, Any]:
    with _guards_recorded(module):
        return work(progress)


def run_as_job(module: AnsibleModule, prepare: Callable[[], Callable[[Progress], dict[str, Any]]]) -> dict[str, Any]:
    """Start the work, or attach to it where it was started before; wait a little; tell how it stands.

    prepare: checks what has to be true before the work and returns it; not called when attaching.
    """
    stack = stack_of(module)
    identity = module.params["job"] or f"job-{secrets.token_hex(6)}"
    window = window_of(module)
    if window and not identity.startswith(f"{window}-"):
        identity = f"{window}-{identity}"  # whoever takes the window over finds it by that, and ends it
    job = Job(os.path.join(stack.jobs, os.path.basename(identity)))
    if not job.exists():
        work = prepare()
        clean(stack.jobs)
        job.start(lambda progress: _guarded(module, work, progress))
    return {"changed": False, **job.wait(module.params["wait"])}
