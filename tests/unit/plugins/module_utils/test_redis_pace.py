# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.amanat.dbops.plugins.module_utils._redis_pace import FIRST, LEAST, LONGEST_PAUSE, MOST, REMEMBERED, Pace, Room
from hypothesis import given
from hypothesis import strategies as st

MS = 0.001


def pace(rate: float = 0.0) -> Pace:
    """Others may wait for 4 ms; the way to the server takes half of one."""
    made = Pace(4 * MS, rate)
    assert made.heard(0.5 * MS) == 0
    return made


def test_batches_take_a_quarter_of_what_others_may_wait() -> None:
    one = Pace(8 * MS)
    one.heard(0.5 * MS)
    one.did(1.5 * MS, 0)  # 200 keys in one millisecond
    assert one.count == 400
    one.did(0.5 * MS, 0)
    assert one.count == MOST


def test_one_slow_batch_is_the_machine_and_many_are_the_keys() -> None:
    one = Pace(8 * MS)
    one.heard(0.5 * MS)
    one.did(1.5 * MS, 0)
    one.did(100 * MS, 0)
    assert one.count == 400
    for _ in range(REMEMBERED):
        one.did(0.5 * MS + one.count * 20e-6, 0)
    assert one.count == 100


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=200))
def test_batches_stay_within_their_bounds(batches: list[float]) -> None:
    one = pace()
    for batch in batches:
        one.did(batch, 0)
        assert LEAST <= one.count <= MOST


def test_a_slow_way_is_no_slow_server() -> None:
    far = Pace(4 * MS)
    assert far.heard(30 * MS) == 0
    far.did(30.1 * MS, 0)
    assert far.count > FIRST


def test_a_busy_server_is_left_alone() -> None:
    one = pace()
    assert one.heard(3 * MS) == 0
    assert one.heard(10.5 * MS) == 4 * 10 * MS
    assert one.heard(5.0) == LONGEST_PAUSE


def test_no_more_keys_a_second_than_may_be() -> None:
    assert pace().did(1 * MS, 2000) == 0
    assert pace(rate=1000).did(0.5, 2000) == 1.5
    assert pace(rate=1000).did(3.0, 2000) == 0


def test_memory_may_grow_by_so_much_and_no_more() -> None:
    room = Room(100)
    assert [room.is_short(used) for used in (1000, 1100, 1101, 500, 601)] == [False, False, True, False, True]
    room.accept(601)
    assert not room.is_short(700)
