# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The checks of PostgreSQL: thresholds, where they come from, what exceeding them means, and what to type. Data.

APA: awesome-prometheus-alerts. PEM: the alerts that postgres_exporter ships. PGM: pgMonitor.
AIW: the alert rules of pgEdge's AI DBA Workbench.
They stand in the order in which a person at three in the morning wants to read of them.
"""

from __future__ import annotations

from functools import partial

from . import _pg_health_readings as read
from ._findings import STATE, Rule, unreachable

_KIB, _DAY = 1024, 86400
_BACKUP = "ansible-playbook playbooks/backup.yml"
_DRILL = "ansible-playbook playbooks/drill.yml"
_DEPLOY = "SELECT name, setting, pending_restart FROM pg_settings WHERE name = '{object}';"

# fmt: off
RULES = (
    Rule("reachable", "Answer of the server", STATE, None, 1, "ours", "Whoever needs the database cannot reach it either.", "",
         unreachable),
    Rule("blocked", "Waiting for a lock", "seconds", 60, 300, "AIW: > 60 s; critical is ours",
         "Requests hang until whoever is in front ends its transaction.", "SELECT pg_terminate_backend(…);", read.blocked),
    Rule("connections", "Connections used", "ratio", 0.8, 0.95, "APA, PEM: > 80 %; critical is ours",
         "When all are taken the application gets no more.",
         "SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC;", read.connections),
    Rule("disk_used", "Space used where the data lie", "ratio", 0.8, 0.9, "ours; a full disk stops PostgreSQL",
         "PostgreSQL stops when it cannot write its WAL.", "ansible-playbook playbooks/cleanup.yml", read.disk_used),
    Rule("slots_lost", "Slots that lose their WAL", STATE, 1, 2, "PostgreSQL's wal_status: 1 unreserved, 2 lost",
         "Whoever reads from it has to begin anew, or soon will.", "SELECT pg_drop_replication_slot('{object}');", read.slots_lost),
    Rule("slot_bytes", "WAL kept for a slot", "bytes", _KIB**3, 10 * _KIB**3, "ours; no limit unless max_slot_wal_keep_size is set",
         "WAL that its reader has not fetched fills the disk.", "SELECT pg_drop_replication_slot('{object}'); -- if nobody needs it",
         read.slot_bytes),
    Rule("longest_transaction", "Longest transaction", "seconds", 900, 3600, "ours: nothing that a request starts takes so long",
         "It keeps its locks, and no vacuum removes what died since it began.", "SELECT pg_terminate_backend(…);",
         read.longest_transaction),
    Rule("idle_in_transaction", "Idle in a transaction", "seconds", 300, 1800, "AIW: > 300 s; critical is ours",
         "The application began a transaction and forgot it.", "SELECT pg_terminate_backend(…);", read.idle_in_transaction),
    Rule("prepared_transactions", "Prepared transactions", "seconds", 300, 3600, "ours: nobody is left who would end an old one",
         "They keep their locks for ever, also over a restart, and bar copies of the database.", "", read.prepared),
    Rule("checksum_failures", "Pages with a wrong checksum", "pages", None, 1, "PostgreSQL: any is damage",
         "The storage returns other bytes than were written.",
         "Stop writing; read the server's log for the relation; ansible-playbook playbooks/verify.yml", read.checksum_failures),
    Rule("unsafe_settings", "Settings that risk the data", STATE, None, 1, "PostgreSQL's own warnings of them",
         "A crash, or the mere lapse of time, can damage the database with it.", "ALTER SYSTEM RESET {object}; SELECT pg_reload_conf();",
         read.unsafe_settings),
    Rule("no_backup", "Valid backup", STATE, None, 1, "ours: without one there is no way back",
         "Whatever happens now to the data cannot be undone.", _BACKUP, read.no_backup),
    Rule("backup_age", "Age of the newest backup", "seconds", 26 * 3600, 50 * 3600, "ours: a night with two hours' grace, two nights; "
         "APA takes 48 h for dumps of Redis",
         "Everything written since then would be lost with the server.", _BACKUP, read.backup_age),
    Rule("backup_flaws", "State of the newest backup", STATE, 1, 2, "ours: 1 was never read through, 2 is invalid",
         "Only a backup whose rows were counted is worth relying on.", "ansible-playbook playbooks/verify.yml -e dbops_backup={object}",
         read.backup_flaws),
    Rule("drill_failed", "Result of the last drill", STATE, 1, 2, "ours: 1 none was ever made, 2 the last one failed",
         "A backup that was never restored is a hope.", _DRILL, read.drill_failed),
    Rule("wraparound_xid", "Towards transaction id wraparound", "ratio", 0.5, 0.75, "PGM: 50 %, 75 %",
         "At the end of the way the server refuses every write.", "VACUUM (FREEZE, VERBOSE); -- in the database {object}",
         partial(read.wraparound, key="xids")),
    Rule("wraparound_multixact", "Towards multixact wraparound", "ratio", 0.5, 0.75, "as for transaction ids",
         "At the end of the way the server refuses row locks.", "VACUUM (FREEZE, VERBOSE); -- in the database {object}",
         partial(read.wraparound, key="multixacts")),
    Rule("collation_version", "Collation versions", STATE, None, 1, "PostgreSQL's documentation of ALTER COLLATION",
         "Text sorts in another order than its indexes were built in: rows are missed, and unique ones doubled.", "", read.collations),
    Rule("archiver", "WAL archiving", STATE, None, 1, "PostgreSQL: pg_wal grows until archiving succeeds",
         "The last attempt failed: no point-in-time recovery beyond the last success.", "SELECT * FROM pg_stat_archiver;", read.archiver),
    Rule("replication_lag", "Replication lag", "seconds", 5, 60, "APA: > 5 s; critical is ours",
         "A failover now loses that much.", "SELECT * FROM pg_stat_replication;", read.lag),
    Rule("days_left", "Days until the disk is full", "days", 30, 7, "ours: time to order more, time to act",
         "At the growth since the last report the space is used up by then.", "ansible-playbook playbooks/cleanup.yml", read.days_left,
         lower=True),
    Rule("slots_inactive", "Slots without a reader", STATE, 1, None, "APA: unused replication slot",
         "It keeps WAL, and with it dead rows, for a reader that is not there.",
         "SELECT pg_drop_replication_slot('{object}'); -- if nobody needs it", read.slots_inactive),
    Rule("stamp", "Environment stamp", STATE, 1, 2, "ours: 1 there is none, 2 it names another stack",
         "Every destructive verb is refused until inventory and stamp agree.", "SELECT * FROM dbops.environment;", read.stamp),
    Rule("slow_queries", "Mean time of a query", "ms", 1000, None, "ours: a person waits for it",
         "Called often enough to matter.", "EXPLAIN (ANALYZE, BUFFERS) …", read.slow_queries),
    Rule("rollbacks", "Transactions rolled back", "ratio", 0.02, 0.2, "APA: > 2 %; critical is ours",
         "The application runs into errors.", "Read the server's and the application's log.", read.rollbacks),
    Rule("deadlocks", "Deadlocks an hour", "an hour", 5, 300, "APA: > 5 a minute; an average over hours is lower",
         "Two transactions take the same locks in another order; one of them was cancelled each time.",
         "Read the server's log: it names both queries.", read.deadlocks),
    Rule("dead_rows", "Dead rows", "ratio", 0.1, 0.4, "APA: > 10 000 and ≥ 10 %; critical is ours",
         "Every scan reads them too. Vacuum does not keep up, or something old holds it back.", "VACUUM (VERBOSE, ANALYZE) {object};",
         read.dead_rows),
    Rule("never_analyzed", "Rows without statistics", "rows", 10_000, None, "ours, after APA's table not auto analyzed",
         "The planner guesses, and may guess a plan that takes hours.", "ANALYZE {object};", read.never_analyzed),
    Rule("invalid_indexes", "Invalid indexes", STATE, 1, None, "APA: invalid index",
         "A build that failed: it is kept up to date at every write and never read.", "REINDEX INDEX CONCURRENTLY {object};",
         read.invalid_indexes),
    Rule("duplicate_indexes", "Duplicate indexes", "bytes", _KIB**2, None, "ours: below 1 MiB it does not matter",
         "Every write pays for both, and one would do.", "DROP INDEX CONCURRENTLY {object};", read.duplicate_indexes),
    Rule("unused_indexes", "Unused indexes", "bytes", 10 * _KIB**2, None, "ours: below 10 MiB it does not matter",
         "Every write pays for it, and no query asked for it.", "DROP INDEX CONCURRENTLY {object}; -- after a look at every replica",
         read.unused_indexes),
    Rule("cache_hit", "Blocks found in memory", "ratio", 0.95, 0.8, "ours; a transactional application mostly has > 99 %",
         "shared_buffers is too small for what is read, or something reads whole tables.", "SHOW shared_buffers;",
         read.cache_hits, lower=True),
    Rule("temp_bytes", "Temporary files an hour", "bytes", _KIB**3, None, "ours",
         "Sorts and joins do not fit into work_mem.", "SHOW work_mem;", read.temp_bytes),
    Rule("requested_checkpoints", "Checkpoints forced by WAL", "ratio", 0.5, None, "PostgreSQL's advice on max_wal_size",
         "max_wal_size is too small for what is written.", "SHOW max_wal_size;", read.requested_checkpoints),
    Rule("pending_restart", "Settings that wait for a restart", STATE, 1, None, "PostgreSQL's pending_restart",
         "The file says one thing, the server does another until it is restarted.", _DEPLOY, read.pending_restart),
    Rule("backup_gaps", "Gaps between backups", "gaps", 1, None, "ours: longer than the interval in which one is expected",
         "A schedule that skips nights will skip the one that matters.", "ansible-playbook playbooks/backup_info.yml", read.backup_gaps),
    Rule("drill_age", "Age of the last drill", "seconds", 35 * _DAY, 100 * _DAY, "ours: a month and a quarter, with some days' grace",
         "Nobody has proved lately that a backup restores.", _DRILL, read.drill_age),
)
# fmt: on
