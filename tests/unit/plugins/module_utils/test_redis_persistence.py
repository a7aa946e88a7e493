# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which append-only files are switched, and what counts as loss."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_persistence import KEEP, RESTART, REWRITE, SAVE, SWITCH, steps
from ansible_collections.amanat.dbops.plugins.module_utils._redis_sample import Sample, compare


@pytest.mark.parametrize(
    ("on", "server", "complete", "kept", "expected"),
    [
        (True, False, True, False, [SWITCH, REWRITE, KEEP]),
        (True, True, False, False, [REWRITE, KEEP]),
        (True, True, True, False, [KEEP]),
        (True, True, True, True, []),
        # Somebody wrote it to the file, and would restart it next.
        (True, False, True, True, [SWITCH, REWRITE]),
        (False, True, True, False, [SAVE, KEEP, SWITCH]),
        (False, True, True, True, [SAVE, SWITCH]),
        (False, False, True, False, [KEEP]),
        (False, False, False, True, []),
    ],
)
def test_what_is_left_to_do(on: bool, server: bool, complete: bool, kept: bool, expected: list[str]) -> None:
    assert steps(on=on, server=server, complete=complete, kept=kept, restart=False) == expected
    assert steps(on=on, server=server, complete=complete, kept=kept, restart=True) == (expected and [*expected, RESTART])


def sample(total: int, expiring: int, **digests: str) -> Sample:
    """A key in capitals expires."""
    return Sample(total, expiring, {(0, key): (digest, key.islower()) for key, digest in digests.items()})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (sample(3, 1, a="1", b="2", C="3"), sample(3, 1, a="1", b="2", C="3"), (0, 0, 0, False)),
        (sample(3, 1, a="1", b="2", C="3"), sample(2, 0, a="1", b="9"), (1, 1, 0, False)),
        (sample(2, 0, a="1", b="2"), sample(0, 0), (0, 0, 2, True)),
        # Clients took away one of very many; the others are none of the sample.
        (sample(1000, 0, **{f"k{n}": "1" for n in range(100)}), sample(999, 0, **{f"k{n}": "1" for n in range(99)}), (0, 0, 1, False)),
        (sample(1000, 0, a="1"), sample(800, 0, a="1"), (0, 0, 0, True)),
        (sample(0, 0), sample(0, 0), (0, 0, 0, False)),
    ],
)
def test_what_counts_as_loss(before: Sample, after: Sample, expected: tuple[int, int, int, bool]) -> None:
    found = compare(before, after)
    assert (found.changed, found.expired, found.gone, found.is_lossy) == expected


@pytest.mark.parametrize(
    ("after", "wrote", "expected"),
    [
        (sample(3, 1, a="1", b="2", C="3"), 0, False),
        # Nobody wrote: one key of very many is enough, gone or old.
        (sample(2, 1, a="1", C="3"), 0, True),
        (sample(3, 1, a="1", b="old", C="3"), 0, True),
        (sample(2, 1, a="1", b="2", C="3"), 0, True),
        # As often as clients wrote that they have done.
        (sample(2, 1, a="9", C="3"), 2, False),
        (sample(2, 1, a="9", C="3"), 1, True),
        # It has expired by itself.
        (sample(2, 0, a="1", b="2"), 0, False),
    ],
)
def test_what_counts_as_loss_where_it_is_known_how_often_clients_wrote(after: Sample, wrote: int, expected: bool) -> None:
    assert compare(sample(3, 1, a="1", b="2", C="3"), after, wrote).is_lossy is expected
