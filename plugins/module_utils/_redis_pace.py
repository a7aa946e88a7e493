# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How fast one may go through the keys of a server that others use meanwhile. Pure: times are told, not taken."""

from __future__ import annotations

from collections import deque

FIRST, LEAST, MOST = 200, 50, 2000  # keys that a batch looks at
REMEMBERED = 16  # batches
LONGEST_PAUSE = 1.0  # seconds


class Pace:
    """How much the next batch takes on, and how long the server is left alone before it.

    A batch keeps everybody else waiting for as long as it takes: a quarter of what they may wait. What a key takes is told by the faster
    ones of the last batches, since a machine that is busy with something else makes any batch slow, and smaller ones would not help it.
    What the way to the server takes is no work of it: the shortest PING that was seen is that way.

    latency: seconds that others may wait; rate: keys a second that may be worked on, 0 for as many as can be.
    """

    def __init__(self, latency: float, rate: float = 0.0) -> None:
        self._latency = latency
        self._rate = rate
        self._way = float("inf")
        self._each: deque[float] = deque(maxlen=REMEMBERED)
        self.count = FIRST

    def heard(self, ping: float) -> float:
        """What a PING took. Seconds to pause: where somebody else keeps the server busy, it gets four times as long for that."""
        self._way = min(self._way, ping)
        waited = ping - self._way
        return min(LONGEST_PAUSE, 4 * waited) if waited > self._latency else 0.0

    def did(self, batch: float, worked: int) -> float:
        """What a batch took, and how many keys it worked on. Seconds to pause, so that those are no more than may be."""
        self._each.append(max(0.0, batch - self._way) / self.count)
        each = sorted(self._each)[len(self._each) // 4]
        most = self._latency / 4
        self.count = MOST if each * MOST <= most else max(LEAST, int(most / each))
        return max(0.0, worked / self._rate - batch) if self._rate else 0.0


class Room:
    """Whether the server's memory has grown since it was least, by more than it may.

    What others write counts as well, so whoever waits for it to shrink has to give up some time: `accept` makes it the new measure.
    """

    def __init__(self, growth: int) -> None:
        self._growth = growth
        self._least = float("inf")

    def is_short(self, used: int) -> bool:
        self._least = min(self._least, used)
        return used > self._least + self._growth

    def accept(self, used: int) -> None:
        self._least = used
