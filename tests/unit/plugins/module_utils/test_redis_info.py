# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself, as values."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import keys, parse_info, product

TOLD = """# Server\r
redis_version:8.0.6\r
run_id:1234567890123456789012345678901234567890\r
config_file:/etc/a=b/redis.conf\r
\r
# Memory\r
used_memory:1058352\r
mem_fragmentation_ratio:1.25\r
maxmemory_policy:noeviction\r
rdb_last_bgsave_time_sec:-1\r
\r
# Keyspace\r
db0:keys=3,expires=1,avg_ttl=0,subexpiry=0\r
db12:keys=4,expires=0,avg_ttl=0\r
db0_distrib_strings_sizes:16=1\r
cmdstat_config|get:calls=2,usec=30,usec_per_call=15.00,rejected_calls=0\r
"""


def test_every_field_has_its_type() -> None:
    told = parse_info(TOLD)
    assert told["redis_version"] == "8.0.6"
    assert told["run_id"] == "1234567890123456789012345678901234567890"
    assert told["config_file"] == "/etc/a=b/redis.conf"
    assert told["used_memory"] == 1058352
    assert told["mem_fragmentation_ratio"] == 1.25
    assert told["rdb_last_bgsave_time_sec"] == -1
    assert told["db0"] == {"keys": 3, "expires": 1, "avg_ttl": 0, "subexpiry": 0}
    assert told["cmdstat_config|get"]["usec_per_call"] == 15.0
    assert keys(told) == 7


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"redis_version": "8.0.6"}, ("redis", (8, 0, 6))),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"}, ("valkey", (8, 1, 1))),
        ({"redis_version": "255.255.255"}, ("redis", (255, 255, 255))),
    ],
)
def test_whose_server_it_is(server: dict[str, Any], expected: tuple[str, tuple[int, ...]]) -> None:
    assert product(server) == expected
