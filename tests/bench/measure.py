"""Runs a command, and says what it cost."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    seconds: float
    cpu_seconds: float


def run(command: list[str]) -> Cost:
    """Runs a command to its end, its output thrown away."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    # With 3 `who` says that several hosts fit.
    if process.returncode not in (0, 3):
        told = process.stderr.read().decode() if process.stderr else ""
        sys.exit(f"{' '.join(command)}: status {process.returncode}: {told}")
    if process.stderr:
        process.stderr.close()
    return Cost(seconds, usage.ru_utime + usage.ru_stime)


def memory_mib(command: list[str]) -> float:
    """The most memory of its own that a command has, mapped files left out."""
    most = 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")]
        most = max([most, *sizes])
        time.sleep(0.005)
    process.wait()
    return most / 1024


def read_through(file: Path) -> Cost:
    """What the bars are multiples of."""
    return run(["dd", f"if={file}", "of=/dev/null", "bs=2M", "status=none"])


def files_of(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def drop(path: Path) -> None:
    """Drops the pages of a file, or of the files of a directory, from the page cache."""
    for file in files_of(path):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached_mib(path: Path) -> float:
    """How much of them is in the page cache."""
    listed = subprocess.run(
        ["fincore", "--bytes", "--noheadings", "--output", "RES", *map(str, files_of(path))],
        check=True,
        capture_output=True,
        text=True,
    )
    return sum(map(int, listed.stdout.split())) / 2**20
