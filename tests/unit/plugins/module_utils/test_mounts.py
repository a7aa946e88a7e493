# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory is one directory, whatever path leads there."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._mounts import Mounts, is_below

# /srv/pg is bound to /mnt/alias, its directory 18 to /mnt/part, /srv to "/mnt/with space"; /backup is another file system,
# of which a part is mounted within /srv/pg, and then something else over /old.
TABLE = Mounts.parse("""\
24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 24 8:1 /srv/pg /mnt/alias rw,relatime - ext4 /dev/sda1 rw
31 24 8:1 /srv/pg/18 /mnt/part rw,relatime master:2 - ext4 /dev/sda1 rw
32 24 8:1 /srv /mnt/with\\040space rw - ext4 /dev/sda1 rw
33 24 8:17 / /backup rw - ext4 /dev/sdb1 rw
34 24 8:17 /more /srv/pg/18/more rw - ext4 /dev/sdb1 rw
35 24 8:1 /home /old rw - ext4 /dev/sda1 rw
36 35 0:50 / /old rw - tmpfs tmpfs rw
""")


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("/mnt/alias", "/srv/pg"),
        ("/mnt/alias/18/docker", "/srv/pg/18/docker"),
        ("/mnt/part/docker", "/srv/pg/18/docker"),
        ("/mnt/with space/pg", "/srv/pg"),
        ("/srv/pg/18/more/x", "/backup/more/x"),
    ],
)
def test_two_paths_of_one_directory(path: str, same: str) -> None:
    assert TABLE.located(path) == TABLE.located(same)


@pytest.mark.parametrize(
    ("path", "other"),
    [("/srv/pg", "/srv/pg2"), ("/backup", "/"), ("/old", "/home"), ("/mnt/alias2", "/srv/pg"), ("/more", "/backup/more")],
)
def test_two_directories(path: str, other: str) -> None:
    assert TABLE.located(path) != TABLE.located(other)


def test_one_below_the_other() -> None:
    assert is_below(TABLE.located("/mnt/part"), TABLE.located("/srv/pg"))
    assert is_below(TABLE.located("/mnt/alias"), TABLE.located("/mnt/with space"))
    assert not is_below(TABLE.located("/srv/pg/18/more"), TABLE.located("/srv/pg"))


def test_what_is_mounted_within() -> None:
    assert TABLE.within("/srv/pg") == ["/srv/pg/18/more"]
    assert TABLE.within("/mnt/alias") == []
    assert TABLE.within("/srv/p") == []


def test_the_machine_itself(tmp_path: Path) -> None:
    here = Mounts.here()
    assert here.located(str(tmp_path.resolve() / "a")) == here.located(str(tmp_path.resolve())) + "/a"
    assert Mounts.parse("").located("/a") == Mounts.parse("").located("/a/")
