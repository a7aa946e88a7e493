# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are run to their end: not longer, not shorter, and whatever they are."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer, Command, first_lines, run, without_rows

NODE = """Error: duplicate key value violates unique constraint "users_email_key"
    at pool (/app/seed.js:3:9) {
  severity: 'ERROR',
  detail: "Key (email)=(ann@example.test 'x') already exists.\\n" +
    'of (bob)',
  hint: undefined,
  where: 'COPY users, line 2: "ann"',
  params: [ 'ann]', 7 ],
  schema: 'public'
}
"""


def sh(script: str, *, timeout: float | None = None, stdin: str = "") -> Answer:
    return run(Command(["sh", "-c", script]), stdin=stdin, timeout=timeout)


def alive(pid: int) -> bool:
    """Whether a process is at work; one that waits to be reaped is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_code_and_both_streams() -> None:
    answer = sh("echo out; echo err >&2; exit 3")
    assert (answer.code, answer.out, answer.err, answer.ok) == (3, "out\n", "err\n", False)


def test_standard_input_and_environment() -> None:
    answer = run(Command(["sh", "-c", 'cat; echo "$SECRET"'], {"SECRET": "s3cret"}), stdin="in é\n")
    assert answer.out == "in é\ns3cret\n"
    assert answer.ok


def test_much_of_everything_at_once() -> None:
    text = "x" * 300_000 + "\n"
    answer = sh("cat | tee /dev/stderr", stdin=text)
    assert (answer.out, answer.err) == (text, text)


def test_a_program_that_does_not_read_its_input() -> None:
    assert sh("exit 0", stdin="x" * 1_000_000).ok


def test_bytes_that_are_no_text() -> None:
    assert sh(r"printf 'a\377b'").out == "a\ufffdb"


@pytest.mark.parametrize(("argv", "reason"), [(["no-such-program"], "not found"), (["/"], "Permission denied")])
def test_a_program_that_cannot_be_started(argv: list[str], reason: str) -> None:
    answer = run(Command(argv))
    assert answer.code == 127
    assert argv[0] in answer.reason
    assert reason in answer.reason


def test_a_missing_working_directory() -> None:
    assert run(Command(["true"]), cwd="/no/such/directory").code == 127


def test_a_service_that_keeps_the_output_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    answer = sh(f"sleep 30 & echo $! > {tmp_path}/pid; echo started")
    assert answer.out == "started\n"
    assert time.monotonic() - begun < 10
    os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), signal.SIGKILL)


def test_the_beginning_of_what_a_program_says_without_end() -> None:
    begun = time.monotonic()
    assert first_lines(Command(["sh", "-c", "echo one >&2; while :; do echo more; done"]), 3, 60) == "one\nmore\nmore\n"
    assert first_lines(Command(["sh", "-c", "echo one; exec sleep 60"]), 3, 0.5) == "one\n"
    assert first_lines(Command(["/no/such/program"]), 3, 60) == ""
    assert time.monotonic() - begun < 30


def test_what_overruns_is_ended_with_everything_it_began(tmp_path: Path) -> None:
    # As npx does: the work is in a child, which must not go on behind everybody's back.
    answer = sh(f"sleep 30 & echo $! > {tmp_path}/pid; wait", timeout=0.5)
    assert answer.code == 124
    assert "0.5 s" in answer.reason
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive(pid)


COPY_FAILED = """pg_restore: error: COPY failed for table "t": ERROR:  new row violates check constraint "c"
DETAIL:  Failing row contains (1, secret
of: two lines).
CONTEXT:  COPY t, line 1: "1\tsecret"
HINT:  Look.
"""
MASKED = 'ERROR:  invalid input syntax for type integer: "…"'
OUT_OF_RANGE = 'ERROR:  value "…" is out of range for type smallint'
SYNTAX = 'ERROR:  syntax error at or near "x"'
DETAILED = "pg_dump: error: query failed: ERROR:  no | pg_dump: detail: Query was: SELECT 1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(1, "", ""), "exit code 1"),
        (Answer(1, "only out\n", ""), "only out"),
        (Answer(1, "out\n", "\n one \n\ntwo\nthree\nfour\n"), "two | three | four"),
        (Answer(1, "", "x" * 1000), "x" * 600),
        (
            Answer(1, "", COPY_FAILED),
            'pg_restore: error: COPY failed for table "t": ERROR:  new row violates check constraint "c" | HINT:  Look.',
        ),
        (Answer(3, "", 'ERROR:  invalid input syntax for type integer: "secret"\nCONTEXT:  COPY t, line 1, column b: "secret"\n'), MASKED),
        (Answer(3, "", 'psql:<stdin>:1: ERROR:  value "99" is out of range for type smallint\n'), "psql:<stdin>:1: " + OUT_OF_RANGE),
        (Answer(3, "", "ERROR:  syntax error at or near \"x\"\nLINE 1: INSERT 'secret' x\n                        ^\n"), SYNTAX),
        (Answer(1, "", "pg_dump: error: query failed: ERROR:  no\npg_dump: detail: Query was: SELECT 1\n"), DETAILED),
    ],
)
def test_the_reason_is_short(answer: Answer, reason: str) -> None:
    assert answer.reason == reason


def test_secrets_are_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(Command(["psql"], {"PGPASSWORD": "s3cret"}))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR:  duplicate\nDETAIL:  Key (email)=(ann) already exists.\nann\nHINT:  Look.", "ERROR:  duplicate\nHINT:  Look."),
        ('invalid input syntax for type uuid: "ann"', 'invalid input syntax for type uuid: "…"'),
        (NODE, None),
        ('{"severity":"ERROR","detail":"Key (a)=(\\"ann\\") exists","hint":null}', '{"severity":"ERROR","detail":"…","hint":null}'),
        ("Failed query: insert into users\nparams: ann,7\n    at x", 'Failed query: insert into users\nparams: "…"\n    at x'),
        ("Key (email)=(ann) already exists.", "Key (email)=(…) already exists."),
        ("Failing row contains (7, ann).", "Failing row contains (…)."),
        (r'{"msg":"ERROR: no\nDETAIL:  (ann)\nHINT:  Look.","level":50}', r'{"msg":"ERROR: no\nHINT:  Look.","level":50}'),
        (r'{"msg":"ERROR: no\nCONTEXT:  COPY t, line 1: \"ann\"","level":50}', r'{"msg":"ERROR: no","level":50}'),
        (
            r'{"msg":"invalid input syntax for type uuid: \"ann\"","level":50}',
            r'{"msg":"invalid input syntax for type uuid: "…"","level":50}',
        ),
        (r'{"log":"{\"detail\": \"Key of \\\"bob\\\" (ann)\", \"code\": \"23505\"}"}', r'{"log":"{\"detail\": "…", \"code\": \"23505\"}"}'),
        ("in detail, where it counts: nothing", "in detail, where it counts: nothing"),
    ],
)
def test_rows_are_kept_out_of_what_a_program_says(said: str, told: str | None) -> None:
    if told is not None:
        assert without_rows(said) == told
    for row in ("ann", "bob"):
        assert row not in without_rows(said)
    assert "severity: 'ERROR'" in without_rows(NODE)
    assert "schema: 'public'" in without_rows(NODE)
