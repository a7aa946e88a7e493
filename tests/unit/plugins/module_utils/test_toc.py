# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._toc import Header, header_of, some_tables

LISTING = """;
; Archive created at 2026-06-06 03:00:01 UTC
;     dbname: amanat: dev
;     TOC Entries: 12
;     Compression: gzip
;     Dump Version: 1.16-0
;     Format: CUSTOM
;     Integer: 4 bytes
;     Offset: 8 bytes
;     Dumped from database version: 18.6 (Debian 18.6-3)
;     Dumped by pg_dump version: 18.7
;
;
; Selected TOC Entries:
;
217; 1259 16386 TABLE public users app
218; 1259 16390 TABLE public users_old app
3401; 0 16386 TABLE DATA public users app
3402; 0 16390 TABLE DATA public users_old app
3403; 0 16394 TABLE DATA s p odd name app
3411; 0 0 SEQUENCE SET public users_id_seq app
3250; 2606 16389 CONSTRAINT public users users_pkey app
3252; 2606 16400 FK CONSTRAINT public orders orders_user_fkey app
3404; 0 16402 MATERIALIZED VIEW DATA public totals app
3255; 6104 16410 PUBLICATION - p app
"""


def test_what_a_dump_says_of_itself() -> None:
    made = datetime(2026, 6, 6, 3, 0, 1, tzinfo=timezone.utc)
    assert header_of(LISTING) == Header(made, "amanat: dev", "custom", "18.6 (Debian 18.6-3)", "18.7")


@pytest.mark.parametrize("text", ["", "pg_restore: error", LISTING.replace("Format", "Shape"), LISTING.replace("2026-06-06", "2026-06-31")])
def test_what_is_no_head_of_a_dump(text: str) -> None:
    assert header_of(text) is None


def test_rows_of_some_tables() -> None:
    assert some_tables(LISTING, [("public", "users")]).split() == ["217;", "218;", "3401;", "3411;", "3250;"]


def test_names_with_spaces_and_line_breaks() -> None:
    assert "3403;" in some_tables(LISTING, [("s p", "odd\nname")])
    assert "340" not in some_tables(LISTING, [("public", "user")])
