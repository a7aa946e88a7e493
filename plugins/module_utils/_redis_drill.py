# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The restore of a backup of Redis rehearsed in a throw-away server."""

from __future__ import annotations

import os
import time

from . import _redis_counts
from ._backup_dir import disagreement
from ._drilling import Drilling, Failed
from ._errors import OperationError
from ._job import Progress
from ._redis_backup import loading_of
from ._redis_throwaway import NotLoaded, loaded
from ._redis_verify import other_content


class Drill(Drilling):
    """The rehearsal of a snapshot, or of append-only files: they load, and the keys are those that were counted."""

    def rehearse(self, progress: Progress) -> None:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        progress.say("reading the files", now=True, mib=manifest["bytes"] >> 20)
        wrong = disagreement(plan.directory, manifest) or other_content(manifest, os.path.join(plan.directory, manifest["name"]))
        if wrong:
            raise Failed(wrong)
        reading = time.monotonic() - clock
        loading = loading_of(manifest, plan.place, plan.stack, plan.run, plan.directory, plan.image, plan.limits)
        progress.say("loading the backup into a throw-away server", now=True)
        with loading.client() as client:
            clock = time.monotonic()
            try:
                with loaded(loading, client) as redis, redis.session() as session:
                    self.report["load_seconds"] = round(time.monotonic() - clock, 3)
                    progress.say("counting its keys", now=True)
                    found = _redis_counts.count(session, manifest["prefixes"] if manifest["keys"] is not None else None)
            except NotLoaded as why:
                raise self._failure(why) from None
        self.report["rto"] = round(reading + time.monotonic() - clock, 3)
        if manifest["keys"] is None:
            self.report["notes"].append(f"Its {_redis_counts.total(found)} keys were counted and not compared: nobody counted them before.")
            return
        wrong_counts = _redis_counts.differences(manifest["prefixes"], found)
        if wrong_counts:
            raise Failed(*wrong_counts)

    def _failure(self, why: NotLoaded) -> Exception:
        if not why.cut_off:
            return Failed(str(why))
        return OperationError(
            "drill-cut-off",
            f"The throw-away server did not hold out: {why}.",
            "It is gone. Nothing was found out about the backup, and its manifest is as it was.",
            "Give it more memory (redis_throwaway_memory), then run it again.",
        )
