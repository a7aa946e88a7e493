# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.amanat.dbops.plugins.module_utils._globals import create_roles, plain_roles, roles_in

# What pg_dumpall writes for a server on which somebody enjoyed himself.
TEXT = r"""--
-- PostgreSQL database cluster dump; CREATE ROLE commented;
--

\restrict hl0qL90EtQ5KnGCwsg5zaRwk

SET standard_conforming_strings = on;

CREATE ROLE admin;
ALTER ROLE admin WITH SUPERUSER LOGIN;
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:x;y' VALID UNTIL 'infinity';
COMMENT ON ROLE app IS E'it''s \\ "all;
\\restrict -- here';
CREATE ROLE "o""d d;";
ALTER ROLE "o""d d;" WITH NOLOGIN;
ALTER ROLE app SET search_path TO 'a;b', 'c';
ALTER ROLE app IN DATABASE shop SET work_mem TO '1MB';
GRANT "o""d d;" TO app WITH ADMIN OPTION, INHERIT TRUE GRANTED BY admin;
GRANT gone TO app WITH INHERIT TRUE GRANTED BY admin;
GRANT admin TO other GRANTED BY admin;
CREATE TABLESPACE fast OWNER app LOCATION '/fast';

\unrestrict hl0qL90EtQ5KnGCwsg5zaRwk
"""


def test_roles_of_a_server() -> None:
    assert roles_in(TEXT) == {"admin", "app", 'o"d d;'}


def test_missing_roles_are_made_as_they_were() -> None:
    assert create_roles(TEXT, ["app", 'o"d d;'], ["admin", "other"]) == [
        "CREATE ROLE app;",
        "ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:x;y' VALID UNTIL 'infinity';",
        "COMMENT ON ROLE app IS E'it''s \\\\ \"all;\n\\\\restrict -- here';",
        'CREATE ROLE "o""d d;";',
        'ALTER ROLE "o""d d;" WITH NOLOGIN;',
        "ALTER ROLE app SET search_path TO 'a;b', 'c';",
        'GRANT "o""d d;" TO app WITH ADMIN OPTION, INHERIT TRUE;',
    ]


def test_a_membership_needs_both_roles() -> None:
    assert create_roles(TEXT, ['o"d d;'], ["app"])[-1] == 'GRANT "o""d d;" TO app WITH ADMIN OPTION, INHERIT TRUE;'
    assert not [statement for statement in create_roles(TEXT, ['o"d d;'], []) if statement.startswith("GRANT")]


def test_roles_that_are_there_stay_as_they_are() -> None:
    assert create_roles(TEXT, [], ["admin", "app", "other"]) == []


def test_of_some_roles_only_the_name_is_known() -> None:
    assert plain_roles({"b", 'a"'}) == ['CREATE ROLE "a""";', 'CREATE ROLE "b";']
