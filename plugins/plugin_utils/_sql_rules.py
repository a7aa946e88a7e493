# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What each finding in a migration means for whoever runs it. Data; docs/migrations.md shows the same table."""

from __future__ import annotations

# Loses data, changes them, or takes away what the running release uses: only inside a window that leads back.
DESTRUCTIVE = "destructive"
# Holds a lock for as long as it reads or writes a table: told, since it is downtime.
LOCKING = "locking"
# Fails in the one transaction that drizzle opens, or ends it in the middle: refused.
IMPOSSIBLE = "impossible"

# Rules of squawk by their names (https://squawkhq.com/docs/rules), and by the same names what pglast finds;
# whatever pglast alone finds has a name of ours and is destructive.
KINDS = {
    **dict.fromkeys(
        (
            *("ban-drop-column", "ban-drop-database", "ban-drop-table", "ban-truncate-cascade"),
            *("changing-column-type", "renaming-column", "renaming-table", "ban-disable-trigger"),
        ),
        DESTRUCTIVE,
    ),
    **dict.fromkeys(
        (
            *("adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field"),
            *("adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint", "constraint-missing-not-valid"),
            *("disallowed-unique-constraint", "prefer-repack", "require-concurrent-index-creation", "require-concurrent-index-deletion"),
            *("require-concurrent-partition-detach", "require-concurrent-reindex"),
        ),
        LOCKING,
    ),
    **dict.fromkeys(("ban-concurrent-index-creation-in-transaction", "not-in-transaction", "transaction-nesting"), IMPOSSIBLE),
}

# Not told: matters of taste; what changes who may do what and loses nothing; time-outs, which the run sets itself; syntax,
# which PostgreSQL's own grammar judges.
UNTOLD = frozenset(
    {
        *("ban-char-field", "ban-create-domain-with-constraint", "ban-uncommitted-transaction", "identifier-too-long"),
        *("prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "prefer-robust-stmts", "prefer-text-field"),
        *("prefer-timestamp-tz", "require-enum-value-ordering", "require-table-schema", "syntax-error", "unused-ignore"),
        *("require-lock-timeout", "require-statement-timeout", "require-timeout-settings"),
        *("ban-add-column", "ban-add-composite-attribute", "ban-add-enum-value", "ban-alter-database-options", "ban-alter-extension"),
        *("ban-alter-function-options", "ban-alter-generated-expression", "ban-alter-identity", "ban-alter-policy-condition"),
        *("ban-alter-policy-roles", "ban-alter-role-options", "ban-alter-row-level-security", "ban-alter-sequence-values"),
        *("ban-alter-view-options", "ban-create-policy", "ban-detach-inheritance", "ban-drop-constraint"),
        *("ban-drop-generated-expression", "ban-drop-index", "ban-drop-not-null", "ban-drop-policy", "ban-drop-trigger", "ban-drop-view"),
        *("ban-new-write-restriction", "ban-replace-view-function", "ban-replica-identity", "ban-revoke", "ban-set-default"),
    }
)


def kind_of_squawk(rule: str) -> str | None:
    """None for what is not told. A rule that is newer than this table is told."""
    return None if rule in UNTOLD else KINDS.get(rule, LOCKING)
