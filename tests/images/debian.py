# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages for machines that reach a package mirror and no image registry.

The mirror is the one this machine's own apt uses, so that a proxy or a local mirror serves here too.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# A machine that was asleep, or an image of last year, has a clock that disagrees with the mirror's promise of freshness.
APT_OPTIONS = (
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Languages "none"',
    'APT::Install-Recommends "false"',
)


class SetupError(Exception):
    """What the operator reads: a slug, what happened, what state things are in, the next command."""


def run(argv: Sequence[str], what: str, env: dict[str, str] | None = None) -> str:
    """Run a command and return its output; a failure becomes a `SetupError` with the command's last words."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=env, check=False)
    if done.returncode != 0:
        last_words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SetupError(f"[setup-failed] {what}: {argv[0]} ended with {done.returncode}.\n{last_words}")
    return done.stdout


def os_release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def is_debian() -> bool:
    return os_release().get("ID") == "debian"


def is_root() -> bool:
    return os.geteuid() == 0


def install(*packages: str) -> None:
    """Install packages of the machine's own distribution; reads its lists anew only where a package is not known yet."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return
    run(["apt-get", "update"], "reading the distribution's package lists", env)
    run(command, f"installing {' '.join(packages)}", env)


def mirror() -> str:
    """The Debian mirror of this machine's apt configuration."""
    codename = os_release().get("VERSION_CODENAME", "")
    listed = run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"], "reading the apt configuration")
    uris = [uri for release, _, uri in (line.partition(" ") for line in listed.splitlines()) if release in {codename, "stable", "testing"}]
    # Other vendors name their suites after Debian's releases too; Debian's own archive lies in a folder of its name.
    for uri in uris:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise SetupError(
        "[mirror-missing] The apt configuration of this machine names no Debian mirror, so no test image can be built. "
        "Nothing was changed. Next: run the tests on a Debian machine."
    )


def proxies() -> list[str]:
    """The proxy settings of this machine's apt, for an apt that runs elsewhere."""
    lines = run(["apt-config", "dump", "Acquire"], "reading the apt configuration").splitlines()
    return [line.rstrip(";") for line in lines if "::Proxy" in line and not line.endswith('"";')]


def sources(suite: str, uri: str) -> str:
    return f"deb [signed-by={KEYRING}] {uri} {suite} main\n"


@contextmanager
def private_apt(suite: str) -> Iterator[dict[str, str]]:
    """An environment in which apt knows `suite` and nothing else; the machine's own configuration stays as it is."""
    with tempfile.TemporaryDirectory(prefix="dbops-apt-") as name:
        root = Path(name)
        for folder in ("lists/partial", "cache/archives/partial", "parts"):
            (root / folder).mkdir(parents=True)
        (root / "status").touch()
        (root / "sources.list").write_text(sources(suite, mirror()), encoding="utf-8")
        settings = [
            *APT_OPTIONS,
            *proxies(),
            f'Dir::State::Lists "{root}/lists"',
            f'Dir::State::status "{root}/status"',
            f'Dir::Cache "{root}/cache"',
            f'Dir::Etc::SourceList "{root}/sources.list"',
            f'Dir::Etc::SourceParts "{root}/parts"',
            f'Dir::Etc::Parts "{root}/parts"',
            f'Dir::Etc::PreferencesParts "{root}/parts"',
            'APT::Sandbox::User "root"',
        ]
        (root / "apt.conf").write_text("".join(f"{setting};\n" for setting in settings), encoding="utf-8")
        env = {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}
        run(["apt-get", "update"], f"reading the package lists of Debian {suite}", env)
        yield env


def unpack(packages: Sequence[str], suite: str, target: Path) -> None:
    """Put the files of packages of `suite` under `target`, without installing them or what they depend on; needs no root."""
    with private_apt(suite) as env, tempfile.TemporaryDirectory(prefix="dbops-deb-") as folder:
        done = subprocess.run(["apt-get", "download", *packages], cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SetupError(f"[setup-failed] Debian {suite} did not give {' '.join(packages)}: {done.stderr.strip()}")
        for archive in Path(folder).glob("*.deb"):
            run(["dpkg-deb", "--extract", str(archive), str(target)], f"unpacking {archive.name}")
