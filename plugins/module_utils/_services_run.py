# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""All services of a stack, stopped in their order and started in the reverse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ._errors import OperationError
from ._recreate import brings_back
from ._services import ContainerService, Facts, Service

UNKNOWN = "service-unknown"  # what is raised for one that does not say whether it runs


@contextlib.contextmanager
def _of(service: Service) -> Iterator[None]:
    """What cannot be written for a service, as on a disk that is full, is a failure of that one, and of no other."""
    try:
        yield
    except OSError as error:
        raise OperationError(
            "service-failed",
            f"Service {service.name!r}: {error.filename or 'a file'}: {error.strerror or error}.",
            "Whether it runs is not known.",
            "Look at that path on the target; where it belongs to root, run with become.",
        ) from None


def stop(services: list[Service], *, check_mode: bool = False) -> list[str]:
    """Stop those that run, each proved to be down; their names.

    One that cannot be stopped, or does not say whether it runs, keeps none of the others running. The first such failure is raised in
    the end, and one that may still write before any other.
    """
    stopped: list[str] = []
    failures: list[OperationError] = []
    for service in services:
        try:
            with _of(service):
                if _stop(service, check_mode=check_mode):
                    stopped.append(service.name)
        except OperationError as error:
            failures.append(error)
    if failures:
        raise min(failures, key=lambda error: error.slug == UNKNOWN)
    return stopped


def _stop(service: Service, *, check_mode: bool) -> bool:
    """Whether it ran. One that does not say so is told to stop all the same."""
    try:
        running = bool(service.look()["running"] or service.is_about_to_run())
    except OperationError:
        if check_mode:
            raise
        running = True
    if running and not check_mode:
        service.stop()
        if service.look()["running"]:
            raise OperationError(
                "service-failed",
                f"Service {service.name!r} was told to stop, did not complain, and runs.",
                "It may still write.",
                "Look at what starts it, or correct its stop command.",
            )
    return running


def _wanted(service: Service, facts: Facts, images: dict[str, str] | None) -> tuple[str, str]:
    """What to start, empty for what stands there, and the image_id that runs then."""
    if images is None:
        return service.reference(facts["release"], facts["image_id"]), facts["image_id"]
    release = service.spec["image"]
    if not release:
        return "", facts["image_id"]
    if release in images:
        release = service.reference(release, images[release])
    return release, service.identity(release)


def start(
    services: list[Service],
    before: list[Facts],
    images: dict[str, str] | None,
    seen: dict[str, Facts] | None = None,
    *,
    check_mode: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """The services that were started with the image_id that each of them is to run, and which were not, in words.

    before: what ran before the stop; only that is started, and with images what is `wanted` though it was down. images: the image_id
    of each release that was prepared; None for what ran before. seen: looks of just now, by the services' names.

    One that cannot be started keeps none of the others down; the first such failure is raised in the end, but not of one that was down
    before: it is no worse then.
    """
    known = {facts["name"]: facts for facts in before}
    started: dict[str, str] = {}
    failures: list[OperationError] = []
    missed: list[str] = []
    for service in reversed(services):
        facts = known.get(service.name, {"running": False})
        if not facts["running"] and (images is None or not facts.get("wanted")):
            continue
        try:
            with _of(service):
                now = (seen or {}).get(service.name) or _look(service)
                started.update(_start(service, facts, images, now, check_mode=check_mode))
        except OperationError as error:
            if facts["running"]:
                failures.append(error)
            else:
                missed.append(f"{service.name} was down before, and could not be started: {error.what}")
    if failures:
        raise failures[0]
    return started, missed


def bring_up(
    services: list[Service],
    before: list[Facts],
    images: dict[str, str],
    seen: dict[str, Facts] | None = None,
    *,
    check_mode: bool = False,
) -> dict[str, Any]:
    """`start`, and what stands there afterwards, as the result of a module."""
    started, missed = start(services, before, images, seen, check_mode=check_mode)
    looked = [service.look() for service in services]
    if not check_mode:
        see_images(services, looked, started)
    # One that had to be started by its identity is still known by the name that was asked for.
    names = {identity: name for name, identity in images.items()}
    told = [{**facts, "release": names.get(facts["release"], facts["release"])} for facts in looked]
    return {"changed": bool(started), "touched": list(started), "services": told, "missed": missed}


def _start(service: Service, facts: Facts, images: dict[str, str] | None, now: Facts, *, check_mode: bool) -> dict[str, str]:
    """The image_id that the service is to run, by its name; {} where it runs that already."""
    release, identity = _wanted(service, facts, images)
    if now["running"] and now["image_id"] == identity:
        if not check_mode:
            service.keep(facts["restart_policy"])
        return {}
    if not check_mode:
        if now["running"]:
            service.stop()  # another release than the one that is wanted
        service.start(release, facts["restart_policy"], now.get("containers", ()))
    return {service.name: identity}


def keep(services: list[Service], before: list[Facts], *, check_mode: bool = False) -> tuple[list[str], list[str]]:
    """Put back the restart policies that a stop has set aside, and start nothing. Whose were, and whose could not be, in words."""
    policies = {facts["name"]: facts.get("restart_policy", "") for facts in before}
    kept, failed = [], []
    for service in services:
        wanted = policies.get(service.name, "")
        try:
            with _of(service):
                if brings_back(wanted) and service.look()["restart_policy"] != wanted:
                    if not check_mode:
                        service.keep(wanted)
                    kept.append(service.name)
        except OperationError as error:
            failed.append(f"The restart policy of {service.name}, {wanted}, could not be put back: {error.what}")
    return kept, failed


def _look(service: Service) -> Facts:
    """One that does not say whether it runs counts as down: what a kill leaves behind says nothing until it is started again."""
    try:
        return service.look()
    except OperationError as error:
        if error.slug != UNKNOWN:
            raise
        return service.facts(running=False)


def see_images(services: list[Service], looked: list[Facts], started: dict[str, str]) -> None:
    """A tag that moved just now, or a project that builds or pulls, gave a service another image than the one prepared."""
    for service, facts in zip(services, looked):
        wanted = started.get(service.name, facts["image_id"])
        if isinstance(service, ContainerService) and facts["image_id"] != wanted:
            raise OperationError(
                "service-failed",
                f"Service {service.name!r} was to run image {wanted}, and runs {facts['image_id']}.",
                "It was started with another image than the one that was prepared.",
                "Look at what moves its tag, or at build and pull_policy of its Compose project.",
            )
