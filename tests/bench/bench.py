#!/usr/bin/env python3
"""Each question some rounds, warm and cold, and the medians as a table beside the bars that are asked for."""

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import data
import measure

HEADINGS = ("work", "warm s", "x dd", "C x dd", "bar", "", "own MiB", "cold s", "x dd", "touched MiB", "of")


class Work(NamedTuple):
    name: str
    command: list[str]
    reads: Path
    theirs: float | None = None  # what the C program took, in multiples of dd
    most_times: float | None = None  # the bar, in multiples of dd
    most_seconds: float | None = None  # the bar, in seconds
    makes: Path | None = None  # removed before each run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, required=True, help="where cargo put the programs")
    parser.add_argument("--data", type=Path, required=True, help="where the files are kept")
    parser.add_argument("--flows", type=int, default=5_240_000, help="the default makes 10,000,000 events")
    parser.add_argument("--who-flows", type=int, help="how many flows the journal has that `who` is asked about")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    # What is written goes to memory: how fast the disk is, is another question.
    shared = Path("/dev/shm")
    with TemporaryDirectory(prefix="ctrecorder-bench.", dir=shared if shared.is_dir() else None) as scratch:
        version2 = data.recorded(arguments.built, arguments.data, "v2.ct", arguments.flows, "--version=2")
        works = all_works(arguments, version2, Path(scratch))
        warm: dict[str, list[tuple[float, float]]] = {work.name: [] for work in works}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            warm_round(works, version2, warm)
        rows = [HEADINGS]
        for work in works:
            rows.append(row(work, warm[work.name], cold(work, version2, arguments.rounds)))
    table(rows)
    return 0


def all_works(arguments: argparse.Namespace, version2: Path, scratch: Path) -> list[Work]:
    built, kept, flows = arguments.built, arguments.data, arguments.flows
    version3 = data.recorded(built, kept, "v3.ct", flows)
    asked = data.question(version3)
    nfdump = data.nfdump(built, kept, flows)
    program = str(built / "ctrecorder")
    listed = [program, "list", "-H"]
    squeezed = scratch / "squeezed"
    squeeze = [program, "squeeze", "-o", str(squeezed)]
    endpoint = ["--endpoint", ":".join(asked.public)]
    works = [
        Work("dd", ["dd", f"if={version2}", "of=/dev/null", "bs=2M", "status=none"], version2),
        Work("start of the process", [program, "--version"], version2),
    ]
    for version, path in ((2, version2), (3, version3)):
        file = str(path)
        one = {"most_seconds": 0.015} if version == 3 else {"most_times": 1.52}
        works += [
            Work(f"one subscriber, v{version}", [*listed, "-i", asked.subscriber, file], path, 1.52, **one),
            Work(f"one rare peer, v{version}", [*listed, "-i", asked.peer, file], path, 1.52, **one),
            Work(f"one endpoint, v{version}", [*listed, *endpoint, file], path, 1.52, **one),
            Work(f"everything as text, v{version}", [*listed, file], path, 298, 298 / 10),
            Work(f"squeeze, v{version}", [*squeeze, file], path, 139, 139 / 4, makes=squeezed),
        ]
    works.append(Work("nfdump: one subscriber", ["nfdump", "-q", "-R", str(nfdump), f"ip {asked.subscriber}"], nfdump))
    if arguments.who_flows:
        works += who(arguments)
    return works


def who(arguments: argparse.Namespace) -> list[Work]:
    """The question that `who` answers, in the middle of a journal of segments of ten minutes."""
    program = str(arguments.built / "ctrecorder")
    flows = arguments.who_flows
    journal = data.recorded(arguments.built, arguments.data, "journal", flows, "--rotate=10")
    asked = data.question(journal)
    endpoint = ":".join(asked.public)
    command = [program, "who", endpoint, "--at", f"@{asked.at}", str(journal)]
    return [Work(f"who, {flows} flows", command, journal, most_seconds=0.05)]


def warm_round(works: list[Work], version2: Path, into: dict[str, list[tuple[float, float]]]) -> None:
    """Adds the seconds of each work, and what multiple of reading the version 2 file that is."""
    for work in works:
        for file in measure.files_of(work.reads) + [version2]:
            measure.read_through(file)
        unit = measure.read_through(version2).seconds
        seconds = timed(work)
        into[work.name].append((seconds, seconds / unit))


def cold(work: Work, version2: Path, rounds: int) -> list[tuple[float, float, float]]:
    """Seconds, multiples of reading the version 2 file cold, and MiB touched."""
    samples = []
    for _ in range(rounds):
        measure.drop(version2)
        unit = measure.read_through(version2).seconds
        measure.drop(work.reads)
        before = measure.cached_mib(work.reads)
        seconds = timed(work)
        samples.append((seconds, seconds / unit, measure.cached_mib(work.reads) - before))
    return samples


def timed(work: Work) -> float:
    if work.makes:
        work.makes.unlink(missing_ok=True)
    return measure.run(work.command).seconds


def row(work: Work, warm: list[tuple[float, float]], cold: list[tuple[float, float, float]]) -> tuple[str, ...]:
    seconds, times = (median(column) for column in zip(*warm))
    cold_seconds, cold_times, touched = (median(column) for column in zip(*cold))
    if work.makes:
        work.makes.unlink(missing_ok=True)
    own = measure.memory_mib(work.command) if seconds > 0.1 else None
    length = sum(file.stat().st_size for file in measure.files_of(work.reads)) / 2**20
    return (
        work.name,
        f"{seconds:.3f}",
        f"{times:.2f}",
        "" if work.theirs is None else f"{work.theirs:g}",
        *verdict(work, seconds, times),
        "" if own is None else f"{own:.0f}",
        f"{cold_seconds:.3f}",
        f"{cold_times:.2f}",
        f"{touched:.1f}",
        f"{length:.0f}",
    )


def verdict(work: Work, seconds: float, times: float) -> tuple[str, str]:
    """The bar, and whether it is met."""
    if work.most_seconds is not None:
        bar, over = f"{work.most_seconds} s", seconds / work.most_seconds
    elif work.most_times is not None:
        bar, over = f"{work.most_times:.3g} x", times / work.most_times
    else:
        return "", ""
    return bar, "met" if over <= 1 else f"{over:.1f} x over"


def table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for cells in rows:
        first, *rest = (cell.ljust(width) if place == 0 else cell.rjust(width)
                        for place, (cell, width) in enumerate(zip(cells, widths)))
        print("  ".join([first, *rest]).rstrip())


if __name__ == "__main__":
    sys.exit(main())
