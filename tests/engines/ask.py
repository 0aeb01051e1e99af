#!/usr/bin/env python3
"""Makes an archive of a synthetic journal, asks four programs of it, and compares what they say."""

import argparse
import csv
import ipaddress
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import chdb
import duckdb
import pyspark
from pyspark.sql import SparkSession

from questions import Flow, Question, questions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, required=True, help="where cargo put the programs")
    parser.add_argument("--flows", type=int, default=40_000)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="ctrecorder-engines.") as scratch:
        archive = export(arguments.built, Path(scratch), arguments.flows)
        program = Program(arguments.built / "ctrecorder", archive)
        known = choose(program.flows([]), program)
        engines = [DuckDb(archive, known), ClickHouse(archive, known), Spark(archive, Path(scratch), known)]
        wrong = [question.name for question in questions(known) if not compare(question, program, engines, known)]
        wrong += Manual(archive, known).wrong(program.flows([]))
    for name in wrong:
        print(f"{sys.argv[0]}: answers differ: {name}", file=sys.stderr)
    return 1 if wrong else 0


def export(built: Path, scratch: Path, flows: int) -> Path:
    """An archive of several hours, in directories by hour, of a journal in which some things went wrong."""
    journal, archive = scratch / "journal", scratch / "archive"
    rate, length = 4, flows // 4
    run(built / "examples/synth", "--flows", flows, "--rate", rate, "--udp", 30, "--ipv6", 10, "--incoming", 10,
        "--rotate", max(length // 240, 1), "--overrun", f"{length // 10}:{length // 8}",
        "--stop", f"{length // 3}:{length // 3 + 60}", journal)
    run(built / "ctrecorder", "export", "--partition", "-o", archive, journal)
    return archive


def run(*command: object, statuses: tuple[int, ...] = (0,)) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"TZ": "UTC"})
    if done.returncode not in statuses:
        raise SystemExit(f"{' '.join(words)}: status {done.returncode}\n{done.stderr}")
    return done.stdout


class Program:
    """ctrecorder itself: its CSV, by the places that docs/archive.md gives to endpoints."""

    def __init__(self, program: Path, archive: Path) -> None:
        self.program, self.archive = program, archive

    def flows(self, options: list[str]) -> list[Flow]:
        listed = run(self.program, "list", "-Ho", "csv", *options, self.archive)
        return [flow_of(row) for row in csv.DictReader(io.StringIO(listed))]

    def ids(self, field: str) -> list[str]:
        """The ids of the flows for which a field of the CSV says true, or nothing."""
        listed = csv.DictReader(io.StringIO(run(self.program, "list", "-Ho", "csv", self.archive)))
        return [row["id"] for row in listed if row[field] in ("true", "")]


def flow_of(row: dict[str, str]) -> Flow:
    def end(side: str, tuple_: str) -> tuple[int | str, int]:
        return number(row[f"{tuple_}_{side}"]), int(row[f"{tuple_}_{side[0]}port"])

    src, dst = end("src", "original"), end("dst", "original")
    reply_src, reply_dst = end("src", "reply"), end("dst", "reply")
    if dst == reply_src and src == reply_dst:
        ends = ("none", *src, *src, *dst)
    elif dst == reply_src:
        ends = ("source", *src, *reply_dst, *dst)
    elif src == reply_dst:
        ends = ("destination", *reply_src, *dst, *src)
    else:
        ends = ("both", *src, *reply_dst, *reply_src)
    return Flow(nanoseconds(row["start"]), nanoseconds(row["end"]), int(row["protocol_number"]), *ends)


def number(address: str) -> int | str:
    ip = ipaddress.ip_address(address)
    return int(ip) if ip.version == 4 else ip.packed.hex().upper()


def nanoseconds(time: str) -> int | None:
    if not time:
        return None
    seconds, fraction = re.fullmatch(r"(.*)\.(\d{9})Z", time).groups()
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(fraction)


def choose(flows: list[Flow], program: Program) -> dict[str, str]:
    """What to ask about: of a flow of a host that was reached from outside, too."""
    reached = {flow.inside for flow in flows if flow.translation == "destination"}
    whole = [flow for flow in flows if flow.translation == "source" and flow.start and flow.end]
    wanted = [flow for flow in whole if flow.inside in reached]
    middle = wanted[len(wanted) // 2]
    text = lambda ip: str(ipaddress.ip_address(ip))
    return {
        "AT": str((middle.start + middle.end) // 2),
        "PUBLICS": "203.0.113.0/24",
        "PUBLIC": text(middle.public),
        "PORT": str(middle.public_port),
        "INSIDE": text(middle.inside),
        "PEER": text(middle.peer),
        "RECOVERED": " or id ".join(program.ids("recovered")),
        "UNHEARD": " or id ".join(sorted(set(program.ids("end_at_latest")) | set(program.ids("end")))),
    }


class Engine:
    """An engine that speaks SQL: with words of its own for a few things."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def ask(self, question: Question) -> list[tuple]:
        sql = f"select {question.select} from flows where {question.where} {question.rest}"
        for word in sorted(self.known, key=len, reverse=True):
            sql = re.sub(rf"\b{word}\b", self.known[word], sql)
        sql = re.sub(r"\{ip:([^}]+)\}", lambda found: str(int(ipaddress.ip_address(found[1]))), sql)
        sql = re.sub(r"\{ns:(\w+)\}", lambda found: self.nanoseconds(found[1]), sql)
        sql = re.sub(r"\{hex:(\w+)\}", lambda found: f"hex({found[1]})", sql)
        return [tuple(row) for row in self.rows(sql)]


class DuckDb(Engine):
    def __init__(self, archive: Path, known: dict[str, str]) -> None:
        super().__init__(known)
        self.connection = duckdb.connect()
        self.connection.sql(f"create view flows as select * from read_parquet('{archive}/**/*.parquet')")

    def nanoseconds(self, column: str) -> str:
        return f'epoch_ns("{column}")'

    def rows(self, sql: str) -> list[tuple]:
        return self.connection.sql(sql).fetchall()


class ClickHouse(Engine):
    """As a library. What is null stays null where it is cast, as in the others."""

    SETTINGS = "cast_keep_nullable = 1, output_format_json_quote_64bit_integers = 0"

    def __init__(self, archive: Path, known: dict[str, str]) -> None:
        super().__init__(known)
        self.flows = f"file('{archive}/**/*.parquet')"

    def nanoseconds(self, column: str) -> str:
        return f"toUnixTimestamp64Nano(`{column}`)"

    def rows(self, sql: str) -> list[tuple]:
        sql = sql.replace(" from flows ", f" from {self.flows} ")
        answer = chdb.query(f"{sql} settings {self.SETTINGS}", "JSONCompact")
        return [tuple(row) for row in json.loads(str(answer))["data"]]


class Spark(Engine):
    def __init__(self, archive: Path, scratch: Path, known: dict[str, str]) -> None:
        super().__init__(known)
        # Executors are started by the scripts of Spark's own directory.
        os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
        os.environ["PYSPARK_PYTHON"] = sys.executable
        # No name service is asked for this machine's own name.
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        settings = {
            "spark.sql.legacy.parquet.nanosAsLong": "true",
            "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(scratch / "spark"),
            "spark.sql.warehouse.dir": str(scratch / "warehouse"),
            "spark.log.level": "ERROR",
        }
        builder = SparkSession.builder.master("local-cluster[2,1,1024]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        os.chdir(scratch)
        self.session = builder.getOrCreate()
        self.session.read.parquet(str(archive)).createOrReplaceTempView("flows")

    def nanoseconds(self, column: str) -> str:
        return f"`{column}`"

    def rows(self, sql: str) -> list[tuple]:
        return [tuple(row) for row in self.session.sql(sql).collect()]


class Manual:
    """The SQL of docs/archive.md, as it stands there but for where the archive is, and for whom it is asked."""

    def __init__(self, archive: Path, known: dict[str, str]) -> None:
        self.archive, self.known = archive, known
        self.at = int(known["AT"])
        self.moment = datetime.fromtimestamp(self.at // 10**9, UTC)
        text = (Path(__file__).parents[2] / "docs/archive.md").read_text()
        self.blocks = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        self.clause = re.search(r"`(and \(date[^`]*)`", text)[1]

    def of(self, text: str) -> str:
        """A text of the manual, about this archive and the flow that is known."""
        day, hour, second = self.moment.strftime("%Y-%m-%d"), self.moment.hour, self.moment.strftime("%H:%M:%S")
        told = {"'archive/": f"'{self.archive}/", "203.0.113.6": self.known["PUBLIC"], "36782": self.known["PORT"],
                "14:13:20": f"{second}.{self.at % 10**9:09}", "2026-11-20": day, "int >= 14": f"int >= {hour}"}
        for word, here in told.items():
            text = text.replace(word, here)
        return text

    def block(self, word: str) -> str:
        """The one with this word."""
        [block] = [block for block in self.blocks if word in block]
        return self.of(block)

    def wrong(self, flows: list[Flow]) -> list[str]:
        public = int(ipaddress.ip_address(self.known["PUBLIC"]))
        wanted = [flow for flow in flows
                  if flow.public == public and flow.public_port == int(self.known["PORT"])
                  and (flow.start is None or flow.start <= self.at) and (flow.end is None or flow.end >= self.at)]
        expected = sorted((str(ipaddress.ip_address(flow.inside)), flow.inside_port,
                           str(ipaddress.ip_address(flow.peer)), flow.peer_port) for flow in wanted)
        duck = duckdb.connect()
        macros, asked = self.block("create macro").split("\n\n")
        duck.sql(macros)
        hours = asked.rstrip().removesuffix(";") + self.of(self.clause)
        house = json.loads(str(chdb.query(self.block("IPv4NumToString").rstrip().removesuffix(";"), "JSONCompact")))
        answers = {
            "DuckDB": duck.sql(asked).fetchall(),
            "DuckDB, by hours": duck.sql(hours).fetchall(),
            "ClickHouse": house["data"],
        }
        answers = {name: sorted(tuple(row[:4]) for row in rows) for name, rows in answers.items()}
        notes = duck.sql(self.block("parquet_kv_metadata")).fetchall()
        answers["notes"] = expected if len(notes) == len(list(self.archive.rglob("*.parquet"))) else notes
        wrong = [f"the manual's SQL: {name}" for name, rows in answers.items() if rows != expected or not expected]
        print(f"{'DIFFERENT' if wrong else 'ok'}: the manual's SQL: ctrecorder {expected}, {answers}")
        return wrong


def compare(question: Question, program: Program, engines: list[Engine], known: dict[str, str]) -> bool:
    options = list(question.options)
    for place, option in enumerate(options):
        for word in ("PUBLICS", "RECOVERED", "UNHEARD"):
            options[place] = option = option.replace(word, known[word])
    flows = program.flows(options)
    expected = canonical(question.made(flows) if question.made else flows)
    answers = {type(engine).__name__: canonical(engine.ask(question)) for engine in engines}
    same = all(answer == expected for answer in answers.values())
    said = ", ".join(f"{name} {len(answer)}" for name, answer in answers.items())
    print(f"{'ok' if same else 'DIFFERENT'}: {question.name}: ctrecorder {len(expected)}, {said}")
    if not same:
        for name, answer in answers.items():
            print(f"  {name} only: {sorted(set(answer) - set(expected))[:3]}", file=sys.stderr)
            print(f"  ctrecorder only: {sorted(set(expected) - set(answer))[:3]}", file=sys.stderr)
    # A question that nothing answers holds nobody to anything.
    if not expected:
        print(f"  nothing was found: {question.name}", file=sys.stderr)
    return same and bool(expected)


def canonical(rows: list[tuple]) -> list[tuple[str, ...]]:
    return sorted(tuple("" if value is None else str(value) for value in row) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
