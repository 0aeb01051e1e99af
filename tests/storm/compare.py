#!/usr/bin/env python3
"""The same storm for each recorder in turn, some rounds, and the medians as a table.

Fails if ctrecorder's journal does not account for every event that was made.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import recorders
from recorders import Recorder

HEADINGS = ("recorder", "made", "recorded", "", "lost, it says", "CPU us/event", "x floor", "peak RSS MiB")


class Result(NamedTuple):
    made: int
    recorded: int
    lost: str
    cpu_us: float  # per event recorded
    rss_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, required=True, help="where cargo put the programs")
    parser.add_argument("--flows", type=int, default=240_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    storm = arguments.built / "examples" / "storm"
    floor = recorders.thrown_away(storm)
    competitors = [floor, recorders.ctrecorder(arguments.built), recorders.conntrack(), recorders.ulogd()]
    results: dict[str, list[Result]] = {recorder.name: [] for recorder in competitors}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        for recorder in competitors:
            results[recorder.name].append(measure(storm, arguments.flows, recorder))
    table([HEADINGS] + [row(name, rounds, results[floor.name]) for name, rounds in results.items()])
    return 0


def measure(storm: Path, flows: int, recorder: Recorder) -> Result:
    with TemporaryDirectory(prefix="ctrecorder-storm.") as directory:
        # If the storm is ended early, so is the recorder.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *recorder.command(Path(directory))]
        done = subprocess.run([storm, f"--flows={flows}", "--", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{recorder.name}: {done.stderr.decode()}")
        told = json.loads(done.stdout)
        if told["status"] != 0:
            sys.exit(f"{recorder.name}: status {told['status']}: {done.stderr.decode()}")
        heard = recorder.heard(Path(directory))
    made = told["made"]
    if heard.recorded == 0 or heard.accounted not in (None, made):
        sys.exit(f"{recorder.name}: {made} events made, but {heard.recorded} recorded, and lost: {heard.lost}")
    return Result(made, heard.recorded, heard.lost, told["cpu_us"] / heard.recorded, told["rss_kib"] / 1024)


def row(name: str, rounds: list[Result], floor: list[Result]) -> tuple[str, ...]:
    recorded, made = median(result.recorded for result in rounds), rounds[0].made
    lost = sorted({result.lost for result in rounds}, key=lambda text: (len(text), text))
    return (
        name,
        f"{made}",
        f"{recorded:.0f}",
        f"{recorded / made:.1%}",
        lost[0] if len(lost) == 1 else f"{lost[0]} to {lost[-1]}",
        f"{median(result.cpu_us for result in rounds):.2f}",
        f"{median(mine.cpu_us / theirs.cpu_us for mine, theirs in zip(rounds, floor)):.2f}",
        f"{median(result.rss_mib for result in rounds):.1f}",
    )


def table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *rest in rows:
        print(first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:])), sep="  ")


if __name__ == "__main__":
    sys.exit(main())
