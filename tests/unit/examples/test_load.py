# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example's data can be checked: the same seed gives the same, another seed none of it, and sums are those of their parts."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from functools import cache

import pytest

from examples.stack.load import NULL, Data, redis_commands, sql

USERS = 60
PREFIXES = {"payment:idem", "auth:refresh", "auth:revoked", "ratelimit:ip", "cache:stats"}


@cache
def of_seed(seed: int) -> Data:
    return Data(seed, USERS)


def rows(data: Data, name: str) -> list[dict[str, str]]:
    (table,) = (table for table in data.tables() if table.name == name)
    columns = table.columns.split(", ")
    return [dict(zip(columns, table.row(n).rstrip("\n").split("\t"), strict=True)) for n in range(table.count)]


def test_the_same_seed_gives_the_same_data() -> None:
    first, second = of_seed(1), Data(1, USERS)
    assert "".join(sql(list(first.tables()))) == "".join(sql(list(second.tables())))
    assert list(redis_commands(first, 50)) == list(redis_commands(second, 50))


@pytest.mark.parametrize("table", ["users", "payments", "chats", "categories", "blog_tags"])
def test_another_seed_can_be_loaded_beside_it(table: str) -> None:
    ours, others = ({row["id"] for row in rows(of_seed(seed), table)} for seed in (1, 2))
    assert len(ours) == len(rows(of_seed(1), table))
    assert ours.isdisjoint(others)


@pytest.mark.parametrize(
    ("whole", "key", "parts", "of"),
    [("points", "user_id", "point_transactions", "user_id"), ("wallets", "id", "wallet_transactions", "wallet_id")],
)
def test_balances_are_the_sums_of_their_transactions(whole: str, key: str, parts: str, of: str) -> None:
    data = of_seed(1)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows(data, parts):
        sums[row[of]] += Decimal(row["amount"])
    assert {row[key]: Decimal(row["balance"]) for row in rows(data, whole)} == sums


def test_chats_count_their_messages() -> None:
    chats = rows(of_seed(1), "chats")
    assert [int(chat["message_count"]) for chat in chats] == [len(json.loads(chat["messages"])) for chat in chats]


def test_rows_refer_to_rows_that_are_there() -> None:
    data = of_seed(1)
    tables = {name: {row["id"] for row in rows(data, name)} for name in ("users", "categories", "purchase_requests", "payments", "wallets")}
    for table, column, target in (
        ("categories", "parent_id", "categories"),
        ("purchase_requests", "buyer_id", "users"),
        ("purchase_requests", "category_id", "categories"),
        ("payments", "request_id", "purchase_requests"),
        ("escrow_holds", "payment_id", "payments"),
        ("wallet_transactions", "wallet_id", "wallets"),
    ):
        assert {row[column] for row in rows(data, table)} - {NULL} <= tables[target], (table, column)


def test_every_key_of_redis_has_a_prefix_and_a_time_to_live() -> None:
    commands = list(redis_commands(of_seed(1), 50))
    assert {key.rsplit(":", 1)[0] for key, _, _ in commands} == PREFIXES
    assert all(seconds > 0 for _, _, seconds in commands)
