# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The checks of Redis: thresholds, where they come from, what exceeding them means, and what to type. Data.

APA: awesome-prometheus-alerts. They stand in the order in which a person at three in the morning wants to read of them.
"""

from __future__ import annotations

from . import _redis_health_readings as read
from ._findings import STATE, Rule, unreachable

# fmt: off
RULES = (
    Rule("redis_reachable", "Answer of Redis", STATE, None, 1, "ours", "Whoever needs it cannot reach it either.", "", unreachable),
    Rule("redis_save_failed", "Redis cannot save", STATE, None, 1, "APA: the last save failed",
         "What was written since would be lost with the server; with its usual settings it refuses every write until it can.",
         "Read its log; df -h where its data lie; redis-cli BGSAVE", read.save_failed),
    Rule("redis_link_down", "Redis replica without its master", STATE, None, 1, "APA: replication broken",
         "It serves what it had, older by the minute.", "redis-cli INFO replication", read.broken),
    Rule("redis_memory", "Memory used of maxmemory", "ratio", 0.9, 0.97, "APA: > 90 %; critical is ours",
         "At the limit it refuses writes, or evicts what has a time to live.", "ansible-playbook playbooks/keyspace.yml", read.memory),
    Rule("redis_machine", "Memory of Redis in the machine", "ratio", 0.8, 0.9, "APA: > 90 %; warning is ours",
         "A snapshot needs room for what changes meanwhile; without it the kernel ends the server.",
         "redis-cli CONFIG GET maxmemory", read.machine),
    Rule("redis_clients", "Clients of Redis", "ratio", 0.9, 0.97, "APA: > 90 %; critical is ours",
         "When all are taken, new ones are refused.", "redis-cli CLIENT LIST", read.clients),
    Rule("redis_rejected", "Clients that Redis turned away", "a minute", 5, 60, "APA: > 5; critical is ours",
         "The application could not connect.", "redis-cli CLIENT LIST; redis-cli CONFIG GET maxclients", read.rejected),
    Rule("redis_unsaved", "Age of what Redis has not saved", "seconds", 7200, 172800,
         "APA: 48 h; warning is ours, twice the longest trigger",
         "A crash loses everything that was written since.", "redis-cli BGSAVE", read.unsaved),
    Rule("redis_no_persistence", "Redis keeps its data in memory alone", STATE, 1, None, "ours",
         "A restart signs out every user and forgets which payments were taken.", "redis-cli CONFIG GET save", read.no_persistence),
    Rule("redis_lag", "Replication lag of Redis", "seconds", 10, 60, "ours: a replica hears from its master every ten seconds",
         "A failover now loses that much.", "redis-cli INFO replication", read.lag),
    Rule("redis_evicted", "Keys that Redis evicted", "an hour", 1, None, "ours: whatever was evicted, somebody had written for a purpose",
         "Memory was full; with allkeys-* it may have been a token or a payment's mark.",
         "ansible-playbook playbooks/keyspace.yml", read.evicted),
    Rule("redis_answer", "Time that Redis takes to answer", "ms", 10, 100, "ours: it is mostly below one",
         "Every request that needs it waits as long.", "redis-cli SLOWLOG GET; redis-cli --latency", read.answers),
    Rule("redis_slow_commands", "Slow commands of Redis", "ms", 100, 1000, "ours: it does one thing at a time",
         "While it ran, nobody else was served.", "redis-cli SLOWLOG GET 10", read.slow_commands),
    Rule("redis_forks", "Time that Redis takes to fork", "ms", 500, None, "ours: huge pages or a slow machine",
         "Nobody is served meanwhile, at every snapshot.", "cat /sys/kernel/mm/transparent_hugepage/enabled", read.forks),
    Rule("redis_hits", "Look-ups that Redis could answer", "ratio", 0.5, None, "ours: a cache that mostly misses is none",
         "What is cached goes before it is asked for, or was never there.", "ansible-playbook playbooks/keyspace.yml", read.hits,
         lower=True),
    Rule("redis_fragmentation", "Fragmentation of Redis' memory", "times", 1.5, None, "ours, from 64 MiB on",
         "It takes more of the machine than its data need.", "redis-cli CONFIG SET activedefrag yes; redis-cli MEMORY PURGE",
         read.fragmentation),
    Rule("redis_stamp", "Environment stamp of Redis", STATE, 1, 2, "ours: 1 there is none, 2 it names another stack",
         "Every destructive verb is refused until inventory and stamp agree.", "ansible-playbook playbooks/stamp.yml", read.stamp),
)
# fmt: on
