# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the example application's servers with plausible data, the same for the same seed.

    python3 load.py --megabytes 1000 -- docker exec -i amanat-postgres psql -X -q -U amanat -d amanat_dev
    python3 load.py --redis-keys 100000 -- docker exec -i -e REDISCLI_AUTH nickapp-redis redis-cli --pipe

The command after `--` reads SQL, or the Redis protocol, from its standard input. PostgreSQL gets one transaction: all of
it is there afterwards, or nothing. What is loaded can be checked: `points.balance` and `wallets.balance` are the sums of
their transactions, `chats.message_count` counts `chats.messages`, and the line of JSON printed at the end says how many
rows each table got and what `payments.amount` adds up to. Another seed can be loaded beside the first. Levels and the
main categories come from the application's own seeds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

# Measured: what one user and all that belongs to it take on disk, indexes included.
USERS_PER_MEGABYTE = 70
DAY = 24 * 3600
# Odd, so that multiplying by it permutes the numbers below 2**48.
SCATTER = 0x9E3779B97F4B
POOL = 4096

NOUNS = "laptop phone camera lamp desk chair bicycle jacket watch printer monitor keyboard tent backpack guitar drill kettle router"
ADJECTIVES = "new used compact wireless red silver original refurbished heavy quiet portable vintage sturdy light spare"
VERBS = "ship deliver pack inspect return replace confirm collect measure repair wrap insure track send check"
OTHERS = (
    "please the before Friday with its box and receipt to our office near station because customs asked for invoice twice today "
    "tomorrow morning carrier says parcel left warehouse in Hamburg Izmir Tehran Dubai Warsaw we can wait until next week price "
    "includes duty seller agreed buyer wants photo of serial number thank you kind regards"
)
CITIES = "Berlin Hamburg Izmir Tehran Dubai Warsaw Vienna Lisbon Porto Tbilisi Yerevan Athens Sofia Riga Tallinn Oslo"
NAMES = "Ada Bruno Chen Dina Emil Farah Goran Hana Ivo Jun Kira Lior Mina Navid Olga Pavel Quinn Reza Sara Tomas"


@dataclass(frozen=True)
class Table:
    name: str
    columns: str
    count: int
    row: Callable[[int], str]


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


class Data:
    """Rows as COPY reads them. Each is computed from the seed and its number alone, so any row can refer to any other."""

    def __init__(self, seed: int, users: int) -> None:
        self.seed = seed
        self.users = users
        chance = random.Random(seed)  # noqa: S311 - plausible data, no secrets
        self._salt = chance.getrandbits(48)
        nouns, adjectives, names = NOUNS.split(), ADJECTIVES.split(), NAMES.split()
        words = nouns + adjectives + VERBS.split() + OTHERS.split() * 3

        def texts(shortest: int, longest: int) -> list[str]:
            return [" ".join(chance.choices(words, k=chance.randint(shortest, longest))).capitalize() + "." for _ in range(POOL)]

        self.short, self.medium, self.long = texts(6, 14), texts(14, 26), texts(60, 140)
        self.things = [f"{chance.choice(adjectives)} {chance.choice(nouns)} {chance.randint(1, 9999)}" for _ in range(POOL)]
        self.people = [f"{chance.choice(names)} {chance.choice(names)}sen" for _ in range(POOL)]
        self.hashes = [f"{chance.getrandbits(192):048x}" for _ in range(POOL)]
        start = datetime(2026, 1, 5, 8, tzinfo=UTC)
        self.moments = [(start + timedelta(seconds=n * 150 * DAY // POOL)).isoformat() for n in range(POOL)]

    def scatter(self, number: int) -> int:
        return (number * SCATTER ^ self._salt) & 0xFFFFFFFFFFFF

    def uuid(self, kind: int, number: int) -> str:
        """A UUID of version 7: ordered by number, as rows are by time."""
        return f"{number:08x}-{kind:04x}-7{self.seed & 0xFFF:03x}-8{kind:03x}-{self.scatter(number):012x}"

    def user(self, number: int) -> str:
        return self.uuid(1, number % self.users)

    def seller(self, number: int) -> str:
        """Every fifth user sells."""
        return self.user(number % -(-self.users // 5) * 5)

    def request(self, number: int) -> str:
        return self.uuid(2, number)

    def payment(self, number: int) -> str:
        return self.uuid(3, number)

    def moment(self, number: int, count: int) -> str:
        return self.moments[number * POOL // count]

    def cents(self, number: int) -> int:
        return self.scatter(number) % 500_000 + 100

    def text(self, texts: list[str], number: int) -> str:
        return texts[(number * 2_654_435_761 >> 8) % POOL]

    def hash(self, number: int) -> str:
        return f"{self.hashes[number % POOL]}{self.scatter(number):012x}{number:04x}"[-64:]

    def messages(self, number: int, length: int, at: str) -> str:
        buyer, seller = self.user(number // 2), self.seller(number)
        tail = self.uuid(5, number)[8:]
        return ",".join(
            f'{{"id": "{number * 16 + n & 0xFFFFFFFF:08x}{tail}", "from": "{seller if n & 1 else buyer}", '
            f'"body": "{self.medium[(number * 7 + n * 1361) % POOL]}", "at": "{at}"}}'
            for n in range(length)
        )

    def tables(self) -> Iterator[Table]:
        """All that is loaded, in the order the foreign keys want. U users make 2 U requests, one payment and one chat each."""
        seed, users, uuid, user, seller = self.seed, self.users, self.uuid, self.user, self.seller
        request, payment, cents, text, hashed = self.request, self.payment, self.cents, self.text, self.hash
        cities, things, medium = CITIES.split(), self.things, self.medium
        requests = 2 * users
        posts, tags, categories = max(users // 50, 1), 40, 200

        def table(name: str, columns: str, count: int, row: Callable[[int, str], str]) -> Table:
            """One whose rows end with `created_at`, or another point in time."""
            return Table(name, columns, count, lambda n: f"{row(n, moment := self.moment(n, count))}\t{moment}\n")

        yield table(
            "users",
            "id, legacy_object_id, email, name, google_id, role, email_verified, updated_at, created_at",
            users,
            lambda n, at: (
                f"{uuid(1, n)}\t{seed:08x}{n:016x}\tuser{n}.{seed}@example.test\t{text(self.people, n)}\t"
                f"{rf'g{seed}-{n}' if n % 3 == 0 else NULL}\t{'seller' if n % 5 == 0 else 'buyer'}\t{'t' if n % 7 else 'f'}\t{at}"
            ),
        )
        yield table(
            "addresses",
            "id, user_id, label, line1, city, postal_code, country, is_primary, created_at",
            users,
            lambda n, _: (
                f"{uuid(6, n)}\t{user(n)}\tHome\t{n % 250 + 1} {text(things, n)} street\t"
                f"{cities[n % len(cities)]}\t{n % 90000 + 10000}\tDE\tt"
            ),
        )
        yield table(
            "categories",
            "id, parent_id, slug, name, position, created_at",
            categories,
            lambda n, _: f"{uuid(7, n)}\t{uuid(7, n // 10 * 10) if n % 10 else NULL}\tgoods-{seed}-{n}\t{text(things, n)}\t{100 + n}",
        )
        yield table(
            "purchase_requests",
            "id, buyer_id, category_id, title, description, budget, currency, quantity, status, updated_at, created_at",
            requests,
            lambda n, at: (
                f"{request(n)}\t{user(n // 2)}\t{uuid(7, n % categories)}\t{text(things, n)}\t{text(medium, n)} {text(self.short, n + 5)}\t"
                f"{money(cents(n))}\tUSDT\t{n % 5 + 1}\t{('open', 'accepted', 'paid', 'delivered', 'closed')[n % 5]}\t{at}"
            ),
        )
        yield table(
            "purchase_request_attachments",
            "id, request_id, file_name, media_type, bytes, sha256, created_at",
            users,
            lambda n, _: f"{uuid(8, n)}\t{request(2 * n)}\tphoto-{n}.jpg\timage/jpeg\t{cents(n)}\t{hashed(n)}",
        )
        yield table(
            "seller_offers",
            "id, request_id, seller_id, price, currency, delivery_days, note, status, updated_at, created_at",
            requests,
            lambda n, at: (
                f"{uuid(9, n)}\t{request(n)}\t{seller(n)}\t{money(cents(n))}\tUSDT\t{n % 20 + 2}\t{text(self.short, n)}\t"
                f"{'accepted' if n % 5 else 'pending'}\t{at}"
            ),
        )
        yield table(
            "payments",
            "id, user_id, request_id, amount, currency, provider, provider_payment_id, transaction_hash, idempotency_key, "
            "status, updated_at, created_at",
            requests,
            lambda n, at: (
                f"{payment(n)}\t{user(n // 2)}\t{request(n)}\t{money(cents(n))}\tUSDT\tchain\tchain-{seed}-{n}\t0x{hashed(n)}\t"
                f"load-{seed}-{n}\t{('pending', 'confirmed', 'released', 'released', 'refunded')[n % 5]}\t{at}"
            ),
        )
        yield table(
            "payment_events",
            "payment_id, kind, payload, created_at",
            requests,
            lambda n, at: (
                f'{payment(n)}\tpayment.confirmed\t{{"network": "tron", "confirmations": {n % 30}, '
                f'"hash": "0x{hashed(n)}", "seen": "{at}"}}'
            ),
        )
        yield table(
            "chats",
            "id, request_id, participants, messages, message_count, updated_at, created_at",
            requests,
            lambda n, at: (
                f'{uuid(4, n)}\t{request(n)}\t[{{"userId": "{user(n // 2)}", "role": "buyer"}}, '
                f'{{"userId": "{seller(n)}", "role": "seller"}}]\t'
                f"[{self.messages(n, n % 4 + 3, at)}]\t{n % 4 + 3}\t{at}"
            ),
        )
        yield table(
            "notifications",
            "id, user_id, kind, title, body, data, read, created_at",
            4 * users,
            lambda n, _: (
                f"{uuid(10, n)}\t{user(n)}\toffer.received\tNew offer: {text(things, n)}\t{text(medium, n)}\t"
                f'{{"requestId": "{request(n // 2)}"}}\t{"t" if n % 3 else "f"}'
            ),
        )
        yield table("notification_preferences", "user_id, updated_at", users, lambda n, _: user(n))
        yield table(
            "temp_verifications",
            "id, email, purpose, code_hash, expires_at, created_at",
            users // 10,
            lambda n, at: f"{uuid(11, n)}\tuser{n}.{seed}@example.test\tlogin\t{hashed(n)}\t{at}",
        )
        yield table(
            "passkeys",
            "id, user_id, credential_id, public_key, created_at",
            users // 5,
            lambda n, _: f"{uuid(12, n)}\t{user(n)}\tcredential-{seed}-{n}\t{hashed(n)}{hashed(n + 1)}",
        )
        yield table(
            "disputes",
            "id, payment_id, opened_by, reason, statement, created_at",
            users // 20,
            lambda n, _: f"{uuid(13, n)}\t{payment(n * 40)}\t{user(n * 20)}\tnot as described\t{text(medium, n)}",
        )
        yield table(
            "dispute_evidence",
            "id, dispute_id, submitted_by, kind, content, created_at",
            users // 20,
            lambda n, _: f'{uuid(14, n)}\t{uuid(13, n)}\t{user(n * 20)}\tphoto\t{{"note": "{text(medium, n)}", "sha256": "{hashed(n)}"}}',
        )
        yield table(
            "points",
            "id, user_id, balance, updated_at",
            users,
            lambda n, _: f"{uuid(15, n)}\t{user(n)}\t{self.earned(2 * n) + self.earned(2 * n + 1)}",
        )
        yield table(
            "point_transactions",
            "user_id, amount, reason, created_at",
            2 * users,
            lambda n, _: f"{user(n // 2)}\t{self.earned(n)}\tpurchase",
        )
        yield table(
            "referrals",
            "id, referrer_id, referred_id, code, created_at",
            users // 4,
            lambda n, _: f"{uuid(16, n)}\t{user(n)}\t{user(n + users // 2)}\tREF{n:08d}",
        )
        yield table(
            "wallets",
            "id, user_id, currency, balance, updated_at",
            users,
            lambda n, _: f"{uuid(17, n)}\t{user(n)}\tUSDT\t{money(cents(2 * n) + cents(2 * n + 1))}",
        )
        yield table(
            "wallet_transactions",
            "id, wallet_id, payment_id, amount, reason, created_at",
            requests,
            lambda n, _: f"{uuid(18, n)}\t{uuid(17, n // 2)}\t{payment(n)}\t{money(cents(n))}\tpayment",
        )
        yield table(
            "escrow_holds",
            "id, payment_id, amount, created_at",
            requests,
            lambda n, _: f"{uuid(19, n)}\t{payment(n)}\t{money(cents(n))}",
        )
        yield table(
            "payouts",
            "id, wallet_id, amount, destination, created_at",
            users // 10,
            lambda n, _: f"{uuid(20, n)}\t{uuid(17, n)}\t{money(cents(n))}\tT{hashed(n)[:33]}",
        )
        yield table(
            "reviews",
            "id, request_id, author_id, subject_id, rating, body, created_at",
            users,
            lambda n, _: f"{uuid(21, n)}\t{request(2 * n)}\t{user(n)}\t{seller(2 * n)}\t{n % 5 + 1}\t{text(self.short, n)}",
        )
        yield table(
            "blog_posts",
            "id, author_id, slug, title, body, published_at, created_at",
            posts,
            lambda n, at: f"{uuid(22, n)}\t{user(n)}\tpost-{seed}-{n}\tAbout a {text(things, n)}\t{text(self.long, n)}\t{at}",
        )
        yield Table("blog_tags", "id, slug, name", tags, lambda n: f"{uuid(23, n)}\ttag-{seed}-{n}\tTag {n}\n")
        yield Table("blog_post_tags", "post_id, tag_id", 2 * posts, lambda n: f"{uuid(22, n // 2)}\t{uuid(23, n % tags)}\n")
        yield table(
            "shops",
            "id, owner_id, slug, name, about, created_at",
            -(-users // 5),
            lambda n, _: f"{uuid(24, n)}\t{seller(n)}\tshop-{seed}-{n}\t{text(self.people, n)} Trading\t{text(medium, n)}",
        )
        yield table("favourite_shops", "user_id, shop_id, created_at", users, lambda n, _: f"{user(n)}\t{uuid(24, n // 5)}")
        yield table(
            "delivery_codes", "id, request_id, code_hash, created_at", users, lambda n, _: f"{uuid(25, n)}\t{request(n)}\t{hashed(n)}"
        )
        yield table(
            "support_tickets",
            "id, user_id, subject, body, created_at",
            users // 10,
            lambda n, _: f"{uuid(26, n)}\t{user(n)}\tWhere is my {text(things, n)}\t{text(medium, n)}",
        )
        yield table(
            "audit_log",
            "actor_id, action, entity, entity_id, detail, created_at",
            6 * users,
            lambda n, _: (
                f"{user(n)}\trequest.viewed\tpurchase_request\t{request(n // 3)}\t"
                f'{{"ip": "10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "agent": "{text(self.short, n)}", "trace": "{hashed(n)}", '
                f'"note": "{text(medium, n + 1)}"}}'
            ),
        )

    def earned(self, number: int) -> int:
        return self.scatter(number) % 100


NULL = r"\N"


def sql(tables: Iterable[Table]) -> Iterator[str]:
    yield "\\set ON_ERROR_STOP on\nBEGIN;\n"
    for table in tables:
        yield f"COPY {table.name} ({table.columns}) FROM STDIN;\n"
        rows = map(table.row, range(table.count))
        while chunk := "".join(islice(rows, 2000)):
            yield chunk
        yield "\\.\n"
    yield "COMMIT;\n"
    # Now, or autovacuum does it later in the midst of whatever is being measured.
    yield f"VACUUM (ANALYZE) {', '.join(table.name for table in tables)};\n"


def redis_commands(data: Data, keys: int) -> Iterator[tuple[str, str, int]]:
    """Key, value and seconds to live, under the application's prefixes."""
    for n in range(keys):
        of_ten = n % 10
        if of_ten < 4:
            yield f"payment:idem:load-{data.seed}-{n}", data.payment(n), DAY
        elif of_ten < 7:
            yield f"auth:refresh:{data.uuid(1, n)}", data.hash(n), 30 * DAY
        elif of_ten < 8:
            yield f"auth:revoked:{data.hash(n)}", "1", 30 * DAY
        elif of_ten < 9:
            yield f"ratelimit:ip:10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", str(n % 60 + 1), 3600
        else:
            yield f"cache:stats:seller-{data.uuid(1, n)}", f'{{"orders": {n % 97}, "revenue": "{money(data.cents(n))}"}}', 3600


def resp(*words: str) -> str:
    """A command as the Redis protocol writes it; the words are ASCII, so characters are bytes."""
    return f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)


def feed(command: list[str], chunks: Iterable[str]) -> None:
    """Write to the command's standard input; what it prints goes to standard error, which leaves standard output to the summary."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr, text=True)
    except OSError as error:
        sys.exit(f"[load-command-missing] {command[0]}: {error.strerror}. Nothing was loaded. Next: check the command after `--`.")
    assert child.stdin
    try:
        child.stdin.writelines(chunks)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it stopped reading because it failed, and says why itself
    if child.wait() != 0:
        sys.exit(
            f"[load-failed] {command[0]} exited with {child.returncode}; its message is above. PostgreSQL kept nothing of this, Redis may "
            "have kept a part. Next: mend the cause and run this again; where this seed was loaded before, choose another --seed."
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fill the example application's servers with plausible data.", usage="%(prog)s [options] -- command …"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--megabytes", type=int, help="how much the database should grow, indexes included; the command reads SQL")
    what.add_argument("--redis-keys", type=int, help="how many keys to set; the command reads the Redis protocol")
    parser.add_argument("--seed", type=int, default=1, help="0 to 4095; the same seed gives the same data (default: 1)")
    parser.add_argument("command", nargs="+", help="what the data is written to, after `--`")
    arguments = parser.parse_args()
    if not 0 <= arguments.seed <= 0xFFF or max(arguments.megabytes or 0, arguments.redis_keys or 0) < 1:
        parser.error("--megabytes and --redis-keys are at least 1, --seed is 0 to 4095")

    if arguments.redis_keys:
        data = Data(arguments.seed, arguments.redis_keys)
        commands = redis_commands(data, arguments.redis_keys)
        feed(arguments.command, (resp("SET", key, value, "EX", str(seconds)) for key, value, seconds in commands))
        done: dict[str, object] = {"seed": data.seed, "keys": arguments.redis_keys}
    else:
        data = Data(arguments.seed, arguments.megabytes * USERS_PER_MEGABYTE)
        tables = list(data.tables())
        feed(arguments.command, sql(tables))
        total = money(sum(data.cents(n) for n in range(2 * data.users)))
        done = {"seed": data.seed, "rows": {table.name: table.count for table in tables}, "sums": {"payments.amount": total}}
    print(json.dumps(done))


if __name__ == "__main__":
    main()
