# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the test images: `python3 tests/images/build.py postgres redis …` prints {"postgres": "dbops-test/postgres:<hash>", …}.

Stand-ins for the official images, for machines that reach package mirrors and no image registry. Each is tagged by the hash of its
recipe and of what it stands on, and is built only where that tag is not there yet.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import debian

IMAGES = Path(__file__).resolve().parent
sys.path.insert(0, str(IMAGES.parents[1] / "examples" / "stack"))
import _tools  # noqa: E402 - its folder is on the path only now

SUITES = ("testing", "trixie", "bookworm")


@dataclass(frozen=True)
class Recipe:
    """An image: the folder of its Dockerfile, and the image that it stands on."""

    folder: Path
    parent: str
    arguments: Mapping[str, str] = field(default_factory=dict)


def postgres(major: int, suite: str, volume: str, pgdata: str) -> Recipe:
    return Recipe(IMAGES / "postgres", f"debian-{suite}", {"PG_MAJOR": str(major), "PGVOLUME": volume, "PGDATA": pgdata})


RECIPES = {
    "postgres": postgres(18, "testing", "/var/lib/postgresql", "/var/lib/postgresql/18/docker"),
    "postgres17": postgres(17, "trixie", "/var/lib/postgresql/data", "/var/lib/postgresql/data"),
    "redis": Recipe(IMAGES / "redis", "debian-testing"),
    "redis7": Recipe(IMAGES / "redis", "debian-bookworm"),
    "node": Recipe(IMAGES / "node", "debian-testing", {"NODE": _tools.NODE}),
    "systemd": Recipe(IMAGES / "systemd", "debian-bookworm"),
    "target": Recipe(IMAGES / "target", "postgres"),
    "pgbouncer": Recipe(IMAGES / "pgbouncer", "debian-testing"),
}
BASES = {f"debian-{suite}": suite for suite in SUITES}
BACKENDS = {f"backend-{release}": release for release in _tools.releases()}
# Without this filter the documentation is half of what a small image unpacks.
DPKG_OPTIONS = ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/locale/*", "force-unsafe-io")

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_made: set[str] = set()


def tag(name: str) -> str:
    """The image's name with the hash of everything that it is made from."""
    if name in BASES:
        digest = _tools.digest(BASES[name], *debian.APT_OPTIONS, *DPKG_OPTIONS)
    elif name in BACKENDS:
        digest = _tools.digest(tag("node"), _tools.release_digest(BACKENDS[name]))
    else:
        recipe = RECIPES[name]
        digest = _tools.digest(tag(recipe.parent), json.dumps(dict(recipe.arguments)), recipe.folder)
    return f"dbops-test/{name}:{digest}"


@cache
def built() -> frozenset[str]:
    """The test images that the engine has as this run begins."""
    command = ["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", "--filter=reference=dbops-test/*"]
    return frozenset(debian.run(command, "asking the Docker engine for its images").split())


def build_base(suite: str, image: str) -> None:
    """A minimal Debian with apt and its package lists, so that what stands on it reads them no more."""
    if not shutil.which("mmdebstrap"):
        if not debian.is_root():
            raise debian.SetupError(
                "[mmdebstrap-missing] The test images are made with mmdebstrap, which is not installed. Nothing was changed. "
                "Next: install the package mmdebstrap, or run this as root on Debian, where it is done for you."
            )
        debian.install("mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="dbops-image-") as folder:
        sources, archive, filters = Path(folder, "sources.list"), Path(folder, "base.tar"), Path(folder, "dpkg-filters")
        sources.write_text(debian.sources(suite, debian.mirror()), encoding="utf-8")
        filters.write_text("\n".join(DPKG_OPTIONS), encoding="utf-8")
        command = ["mmdebstrap", "--variant=apt", "--skip=cleanup/apt/lists", "--dpkgopt=force-unsafe-io"]
        command += [f"--aptopt={option}" for option in (*debian.APT_OPTIONS, *debian.proxies())]
        # Given as --dpkgopt, the filters would pass every archive through a slow program; only what is installed later matters.
        command.append(f"--customize-hook=copy-in {filters} /etc/dpkg/dpkg.cfg.d")
        debian.run([*command, suite, str(archive), str(sources)], f"making Debian {suite}")
        debian.run(["docker", "import", str(archive), image], f"importing Debian {suite}")


def build_from(parent: str, recipe: Path, context: Path, arguments: Mapping[str, str], image: str) -> None:
    options = [f"--file={recipe / 'Dockerfile'}", *(f"--build-arg={key}={value}" for key, value in {"BASE": parent, **arguments}.items())]
    # The network is the host's, whose names and proxies are known to work.
    debian.run(["docker", "build", "--network=host", *options, f"--tag={image}", str(context)], f"building {image}")


def ensure(name: str) -> str:
    """The tag of the image, built where it is missing, after what it stands on."""
    with _locks[name]:
        image = tag(name)
        if image in built() or image in _made:
            return image
        if name in BASES:
            build_base(BASES[name], image)
        elif name in BACKENDS:
            build_from(ensure("node"), _tools.STACK / "backend", _tools.built_release(BACKENDS[name]), {}, image)
        else:
            recipe = RECIPES[name]
            parent = ensure(recipe.parent)
            with tempfile.TemporaryDirectory(prefix="dbops-image-") as folder:
                context = Path(folder, "context")
                shutil.copytree(recipe.folder, context)
                if name == "node":
                    shutil.copytree(_tools.packaged_node(), context / "node", symlinks=True, ignore=shutil.ignore_patterns("include"))
                build_from(parent, context, context, recipe.arguments, image)
        _made.add(image)
        return image


def main() -> int:
    names = [*RECIPES, *BACKENDS]
    usual = ["postgres", "redis", "systemd", "target", *BACKENDS]
    parser = argparse.ArgumentParser(description="Build the test images and print their tags as JSON.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(names)}; default: {', '.join(usual)}")
    wanted = parser.parse_args().names or usual
    if unknown := set(wanted) - set(names):
        parser.error(f"unknown image {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    _tools.CACHE.mkdir(exist_ok=True)
    try:
        # Two runs at a time would make the same image twice.
        with (_tools.CACHE / "images.lock").open("w") as lock, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            fcntl.flock(lock, fcntl.LOCK_EX)
            print(json.dumps(dict(zip(wanted, pool.map(ensure, wanted), strict=True))))
    except (debian.SetupError, _tools.StackError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
