# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is asked of a PostgreSQL server for its health report: queries as data, and the one script that asks them all.

None of them takes a lock on a table of the application's that somebody could hold against it for longer than `lock_timeout`,
and none holds one when it has ended. Columns that only some versions have are read through `to_jsonb`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from ._psql import quote_literal

# Rows of a list that the report keeps; what is left out is the smallest of it.
LIMIT = 50

_HIDDEN = "'<insufficient privilege>'"  # what PostgreSQL says in the place of somebody else's query

_OWN = "dbops_row"  # by which the report knows its own queries

# Names of the application's own schemas.
_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

_WAL_POSITION = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"

# Relations that somebody holds, or waits for, under ACCESS EXCLUSIVE: asking for their size would mean to queue there.
_SHUT = """
shut AS MATERIALIZED (
  SELECT relation FROM pg_locks
  WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


class Probe(NamedTuple):
    """One query. `what` says in words what is not known when it fails; `if_` names a variable of SETUP that has to be true."""

    name: str
    what: str
    sql: str
    if_: str = ""


# Asked first, and put into variables of psql.
SETUP = """
SELECT current_setting('server_version_num')::int >= 150000 AS since_15,
       current_setting('server_version_num')::int >= 170000 AS since_17,
       current_setting('server_version_num')::int < 170000 AS before_17,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'dbops' AND c.relname = 'environment' AND c.relkind = 'r') AS has_stamp,
       e.oid IS NOT NULL AS has_statements,
       coalesce(quote_ident(n.nspname), '') AS statements
FROM (SELECT) AS always
LEFT JOIN pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
"""

PROBES = (
    Probe(
        "server",
        "version, age and limits of the server",
        """
SELECT current_setting('server_version') AS version, quote_ident(current_database()) AS database, current_user AS role,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       pg_is_in_recovery() AS standby, pg_has_role('pg_monitor', 'USAGE') AS monitor,
       extract(epoch FROM now() - pg_postmaster_start_time()) AS uptime,
       current_setting('max_connections')::int AS max_connections,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0) AS usable_connections,
       current_setting('standard_conforming_strings') = 'on' AS conforming_strings,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory""",
    ),
    Probe(
        "stamp",
        "the environment stamp",
        "SELECT environment, name FROM dbops.environment LIMIT 2",
        "has_stamp",
    ),
    Probe(
        "connections",
        "connections by state",
        f"""
SELECT coalesce(state, CASE WHEN query = {_HIDDEN} THEN 'hidden' ELSE 'starting' END) AS state, count(*)::int AS count
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND (backend_type = 'client backend' OR query = {_HIDDEN} AND usesysid IS NOT NULL)
GROUP BY 1 ORDER BY 2 DESC""",
    ),
    Probe(
        "transactions",
        "open transactions and their age",
        """
SELECT pid, usename AS user, datname AS database, application_name AS application, state, wait_event_type, wait_event,
       extract(epoch FROM clock_timestamp() - xact_start) AS seconds,
       extract(epoch FROM clock_timestamp() - state_change) AS state_seconds,
       CASE WHEN datname = current_database() THEN left(query, 2000) END AS query
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY xact_start LIMIT 20""",
    ),
    Probe(
        "locks",
        "who waits for whom",
        """
WITH waiting AS MATERIALIZED (
  SELECT l.pid, l.waitstart, l.mode, pg_blocking_pids(l.pid) AS blocked_by,
         CASE WHEN d.datname = current_database() THEN l.relation::regclass::text ELSE l.locktype END AS object
  FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database
  WHERE NOT l.granted ORDER BY l.waitstart LIMIT 100)
SELECT p.pid, a.usename AS user, a.application_name AS application, a.state, w.mode, w.object,
       coalesce(w.blocked_by, '{}') AS blocked_by, extract(epoch FROM clock_timestamp() - w.waitstart) AS waiting,
       extract(epoch FROM clock_timestamp() - a.xact_start) AS seconds,
       CASE WHEN a.datname = current_database() THEN left(a.query, 2000) END AS query
FROM (SELECT pid FROM waiting UNION SELECT unnest(blocked_by) FROM waiting) AS p
LEFT JOIN waiting w USING (pid) LEFT JOIN pg_stat_activity a USING (pid)
ORDER BY w.waitstart NULLS FIRST, p.pid""",
    ),
    Probe(
        "prepared",
        "prepared transactions",
        """
SELECT gid, owner, database, extract(epoch FROM now() - prepared) AS seconds
FROM pg_prepared_xacts ORDER BY prepared LIMIT 20""",
    ),
    Probe(
        "database",
        "counters of the database",
        """
SELECT quote_ident(datname) AS name, pg_database_size(datid) AS bytes, numbackends,
       xact_commit AS commits, xact_rollback AS rollbacks, blks_hit, blks_read,
       deadlocks, temp_files, temp_bytes, checksum_failures, stats_reset,
       extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) AS counted_for
FROM pg_stat_database WHERE datname = current_database()""",
    ),
    Probe(
        "databases",
        "age of each database's oldest transaction id",
        """
SELECT quote_ident(datname) AS name, age(datfrozenxid) AS xids,
       CASE WHEN datminmxid::text <> '0' THEN mxid_age(datminmxid) ELSE 0 END AS multixacts
FROM pg_database ORDER BY 2 DESC LIMIT 20""",
    ),
    Probe(
        "oldest",
        "the tables with the oldest transaction ids",
        """
SELECT c.oid::regclass::text AS name, age(c.relfrozenxid) AS xids, mxid_age(c.relminmxid) AS multixacts
FROM pg_class c WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid::text <> '0'
ORDER BY 2 DESC LIMIT 10""",
    ),
    Probe(
        "sizes",
        "sizes of the server's other databases",
        """
SELECT quote_ident(datname) AS name,
       CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(oid) END AS bytes
FROM pg_database WHERE NOT datistemplate AND datname <> current_database() ORDER BY 2 DESC NULLS LAST LIMIT 20""",
    ),
    Probe(
        "tables",
        "sizes, rows and upkeep of tables",
        f"""
WITH {_SHUT}, base AS (
  SELECT coalesce(i.indrelid, s.relation) AS oid FROM shut s LEFT JOIN pg_index i ON i.indexrelid = s.relation
), estimated AS MATERIALIZED (
  SELECT coalesce(t.oid, b.oid) AS oid FROM base b LEFT JOIN pg_class t ON t.reltoastrelid = b.oid
), rough AS (
  -- What all of them are ranked by costs one look at the disk for each; the rest is for the few that are told of.
  SELECT c.oid, n.nspname, c.relname, e.oid IS NOT NULL AS estimated,
         CASE WHEN e.oid IS NULL THEN pg_relation_size(c.oid) ELSE c.relpages * current_setting('block_size')::bigint END
           + coalesce(toast.relpages, 0) * current_setting('block_size')::bigint AS rough_bytes,
         pg_stat_get_dead_tuples(c.oid) AS dead,
         CASE WHEN pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL
              THEN pg_stat_get_mod_since_analyze(c.oid) END AS never_analyzed
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN estimated e ON e.oid = c.oid
  LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
  WHERE c.relkind IN ('r', 'm') AND {_OURS}
), ranked AS (
  SELECT *, count(*) OVER () AS tables,
         row_number() OVER (ORDER BY rough_bytes DESC NULLS LAST, oid) AS by_size,
         row_number() OVER (ORDER BY dead DESC, oid) AS by_dead,
         row_number() OVER (ORDER BY never_analyzed DESC NULLS LAST, oid) AS by_never_analyzed
  FROM rough
), chosen AS MATERIALIZED (
  SELECT *, CASE WHEN estimated THEN rough_bytes ELSE pg_table_size(oid) END AS table_bytes,
         CASE WHEN NOT estimated THEN pg_indexes_size(oid) END AS index_bytes
  FROM ranked WHERE by_size <= {LIMIT} OR by_dead <= 10 OR by_never_analyzed <= 10)
SELECT format('%I.%I', nspname, relname) AS name, coalesce(table_bytes, 0) + coalesce(index_bytes, 0) AS bytes, table_bytes, index_bytes,
       estimated, pg_stat_get_live_tuples(oid) AS rows, dead, pg_stat_get_mod_since_analyze(oid) AS modified,
       greatest(pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid)) AS vacuumed,
       greatest(pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid)) AS analyzed, tables
FROM chosen ORDER BY 2 DESC, 1""",
    ),
    Probe(
        "indexes",
        "unused, duplicate and invalid indexes",
        rf"""
WITH {_SHUT}, ours AS (
  SELECT i.*, format('%I.%I', n.nspname, t.relname) AS on_table, format('%I.%I', n.nspname, x.relname) AS name, x.relam, x.relpages,
         EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS of_constraint,
         x.relispartition AS of_partition,
         pg_stat_get_numscans(i.indexrelid) AS scans
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  WHERE x.relkind = 'i' AND t.relkind IN ('r', 'm') AND {_OURS}
), alike AS (
  SELECT *, first_value(name) OVER same AS twin, row_number() OVER same AS place
  FROM ours WHERE indisvalid
  WINDOW same AS (
    PARTITION BY indrelid, relam, indnkeyatts, indkey::text, indclass::text, indcollation::text, indoption::text, indisexclusion,
      regexp_replace(coalesce(indexprs::text, ''), ':location -?\d+', '', 'g'),
      regexp_replace(coalesce(indpred::text, ''), ':location -?\d+', '', 'g')
    ORDER BY indisprimary DESC, of_constraint DESC, indisreplident DESC, indisunique DESC, scans DESC, name)
), told AS (
  SELECT indexrelid, name, on_table, relpages, scans, 'invalid' AS flaw, NULL AS twin FROM ours WHERE NOT indisvalid
  UNION ALL
  SELECT indexrelid, name, on_table, relpages, scans, 'duplicate', twin
  FROM alike WHERE place > 1 AND NOT of_constraint AND NOT of_partition
  UNION ALL
  SELECT indexrelid, name, on_table, relpages, scans, 'unused', NULL FROM ours
  WHERE indisvalid AND scans = 0 AND NOT (indisunique OR indisexclusion OR of_constraint OR indisreplident OR of_partition)
    -- Of two that are the same one stays, whichever it is that was read.
    AND name NOT IN (SELECT unnest(ARRAY[name, twin]) FROM alike WHERE place > 1)
), chosen AS MATERIALIZED (SELECT * FROM told ORDER BY flaw = 'unused', relpages DESC LIMIT {2 * LIMIT})
SELECT name, on_table, flaw, twin, scans,
       CASE WHEN indexrelid IN (SELECT relation FROM shut) THEN NULL ELSE pg_relation_size(indexrelid) END AS bytes,
       flaw = 'invalid' AND indexrelid IN (SELECT index_relid FROM pg_stat_progress_create_index) AS being_built
FROM chosen ORDER BY flaw = 'unused', 6 DESC NULLS LAST""",
    ),
    Probe(
        "replication",
        "walsenders and their lag",
        f"""
SELECT coalesce(nullif(application_name, ''), 'pid ' || pid) AS name, client_addr::text AS client, state, sync_state,
       pg_wal_lsn_diff({_WAL_POSITION}, replay_lsn)::bigint AS bytes, extract(epoch FROM replay_lag) AS seconds
FROM pg_stat_replication ORDER BY 5 DESC NULLS LAST LIMIT 20""",
    ),
    Probe(
        "slots",
        "replication slots",
        f"""
SELECT slot_name AS name, slot_type AS kind, database, active, wal_status,
       pg_wal_lsn_diff({_WAL_POSITION}, restart_lsn)::bigint AS bytes, safe_wal_size,
       to_jsonb(s) ->> 'invalidation_reason' AS invalidation,
       extract(epoch FROM now() - (to_jsonb(s) ->> 'inactive_since')::timestamptz) AS inactive
FROM pg_replication_slots s WHERE NOT temporary ORDER BY 6 DESC NULLS LAST LIMIT 20""",
    ),
    Probe(
        "recovery",
        "how far this standby is behind",
        """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END AS seconds
WHERE pg_is_in_recovery()""",
    ),
    Probe(
        "wal",
        "size of pg_wal",
        "SELECT sum(size)::bigint AS bytes, count(*)::int AS files FROM pg_ls_waldir()",
    ),
    Probe(
        "archiver",
        "how archiving goes",
        """
SELECT current_setting('archive_mode') AS mode, archived_count, failed_count, last_archived_time, last_failed_time,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing
FROM pg_stat_archiver""",
    ),
    Probe(
        "checkpoints",
        "checkpoints",
        "SELECT num_timed AS timed, num_requested AS requested, stats_reset FROM pg_stat_checkpointer",
        "since_17",
    ),
    Probe(
        "checkpoints",
        "checkpoints",
        "SELECT checkpoints_timed AS timed, checkpoints_req AS requested, stats_reset FROM pg_stat_bgwriter",
        "before_17",
    ),
    Probe(
        "settings",
        "settings",
        """
SELECT name, CASE WHEN told THEN current_setting(name, true) END AS value, pending_restart, unsafe
FROM (SELECT *, (name, setting) IN (('fsync', 'off'), ('full_page_writes', 'off'), ('autovacuum', 'off'), ('track_counts', 'off'),
                                    ('zero_damaged_pages', 'on'), ('ignore_checksum_failure', 'on')) AS unsafe,
             name IN ('shared_buffers', 'work_mem', 'maintenance_work_mem', 'effective_cache_size', 'max_wal_size', 'wal_level',
                      'data_checksums', 'archive_mode') AS told
      FROM pg_settings) AS s
WHERE told OR unsafe OR pending_restart ORDER BY name""",
    ),
    Probe(
        "collations",
        "versions of collations",
        f"""
SELECT 'database ' || quote_ident(datname) AS name, to_jsonb(d) ->> 'datcollversion' AS recorded,
       pg_database_collation_actual_version(oid) AS actual, 'ALTER DATABASE ' || quote_ident(datname) AS refresh
FROM pg_database d
WHERE datallowconn AND to_jsonb(d) ->> 'datcollversion' <> pg_database_collation_actual_version(oid)
UNION ALL
SELECT 'collation ' || oid::regcollation, collversion, pg_collation_actual_version(oid), 'ALTER COLLATION ' || oid::regcollation
FROM pg_collation
WHERE collversion <> pg_collation_actual_version(oid)
  AND oid IN (SELECT a.attcollation FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
              JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS})
ORDER BY 1 LIMIT 20""",
        "since_15",
    ),
    Probe(
        "statements",
        "slow queries",
        f"""
SELECT queryid::text AS id, left(query, 2000) AS query, calls, mean_exec_time AS mean_ms, max_exec_time AS max_ms,
       total_exec_time AS total_ms, rows, by_mean, by_total
FROM (SELECT *, row_number() OVER (ORDER BY mean_exec_time DESC, queryid) AS by_mean,
             row_number() OVER (ORDER BY total_exec_time DESC, queryid) AS by_total
      FROM :statements.pg_stat_statements
      WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query <> {_HIDDEN}
        AND query NOT LIKE '%AS {_OWN}%') AS s
WHERE by_mean <= 10 OR by_total <= 10 ORDER BY by_mean""",
        "has_statements",
    ),
)

_FAILED = "dbops-failed"


def _as_document(probe: Probe) -> str:
    """A statement whose answer is one line: what was found, and how long it took in the server."""
    took = "round(extract(epoch FROM clock_timestamp() - statement_timestamp())::numeric, 4)"
    found = f"'probe', {quote_literal(probe.name)}, 'rows', coalesce(jsonb_agg(to_jsonb({_OWN})), '[]'), 'seconds', {took}"
    return f"SELECT jsonb_build_object({found}) FROM ({probe.sql.strip()}) AS {_OWN};"


def script(statement_timeout: float, lock_timeout: float, probes: Iterable[Probe] = PROBES) -> str:
    """What psql reads. Every probe is a read-only transaction of its own, so that one which fails takes nothing with it."""
    lines = [
        "SET search_path = pg_catalog, pg_temp;",  # so that no operator or function of the application's is taken for one of the server's
        "SET TimeZone = 'UTC';",
        f"{SETUP.strip()} \\gset",
        "\\set ON_ERROR_STOP 0",
    ]
    for probe in probes:
        lines += [
            f"\\if :{probe.if_}" if probe.if_ else "\\if true",
            "BEGIN READ ONLY;",
            f"SET LOCAL statement_timeout = {int(statement_timeout * 1000)};",
            f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)};",
            "SET LOCAL jit = off;",
            _as_document(probe),
            "\\if :ERROR",
            f"\\echo {_FAILED} {probe.name} :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE",
            "\\endif",
            "ROLLBACK;",
            "\\endif",
        ]
    return "\n".join(lines) + "\n"


class Answers(NamedTuple):
    """rows: by probe; failed: by probe, SQLSTATE and the server's own words; seconds: that each took in the server."""

    rows: dict[str, list[dict[str, Any]]]
    failed: dict[str, tuple[str, str]]
    seconds: dict[str, float]


def parse(printed: str) -> Answers:
    """What psql printed, as far as it came."""
    answers = Answers({}, {}, {})
    for line in printed.splitlines():
        if line.startswith(f"{_FAILED} "):
            _word, name, state, *message = line.split(" ", 3)
            answers.failed[name] = (state, " ".join(message))
        elif line.startswith("{"):
            try:
                told = json.loads(line)
            except ValueError:  # the connection ended in the middle of it
                continue
            answers.rows[told["probe"]] = told["rows"]
            answers.seconds[told["probe"]] = float(told["seconds"])
    return answers
