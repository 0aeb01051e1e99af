#!/usr/bin/env python3
"""What the recorder's memory and its keyframes come to with many flows alive.

Half of the flows are there before the recorder is started, the others come while it runs, and in the midst of them it
begins a new segment (SIGHUP). Fails if the journal does not tell of every flow.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, Iterator

import journal
import recorders

SYSCTLS = Path("/proc/sys/net/netfilter")
# Flows that end otherwise than by our hand have room, too.
SPARE = 1.1
FLOWS_A_BUCKET = 4
PATIENCE_S = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, required=True, help="where cargo put the programs")
    parser.add_argument("--flows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    # What is to be put back is put back whoever ends this.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    with ExitStack() as undone:
        most = int(arguments.flows * SPARE)
        undone.enter_context(at_least("nf_conntrack_max", most))
        undone.enter_context(at_least("nf_conntrack_buckets", most // FLOWS_A_BUCKET))
        namespace = undone.enter_context(network_namespace())
        directory = Path(undone.enter_context(TemporaryDirectory(prefix="ctrecorder-storm.")))
        return measure(arguments.built, arguments.flows, namespace, directory)


def measure(built: Path, flows: int, namespace: list[str], directory: Path) -> int:
    def storm(first: int, last: int) -> None:
        command = [built / "examples" / "storm", "--here", "--keep", f"--first={first}", f"--flows={last - first}"]
        subprocess.run([*namespace, *command], check=True, stdout=subprocess.DEVNULL)

    recorder = recorders.ctrecorder(built)
    half, three_quarters = flows // 2, flows * 3 // 4
    storm(0, half)
    with running([*namespace, *recorder.command(directory)]) as process:
        whole_keyframe(process, directory, 1)
        storm(half, three_quarters)
        # The name of a segment tells the second.
        time.sleep(1)
        process.send_signal(signal.SIGHUP)
        storm(three_quarters, flows)
        whole_keyframe(process, directory, 2)
        peak = peak_rss_mib(process)
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE_S) != 0:
            sys.exit(f"the recorder ended with status {process.returncode}")

    heard = recorder.heard(directory)
    print(f"flows alive             {flows}")
    print(f"recorder's peak RSS     {peak:.1f} MiB")
    for number, segment in enumerate(journal.segments(directory)):
        print(f"keyframe of segment {number}   whole after {journal.keyframe_seconds(segment):.3f} s")
    print(f"flows told of           {heard.recorded}, and missing: {heard.lost}")
    return 0 if heard.accounted == flows else 1


def whole_keyframe(process: subprocess.Popen, directory: Path, segments: int) -> None:
    """Waits until there are so many segments, and the last one's keyframe is whole."""

    def is_there() -> bool:
        if process.poll() is not None:
            sys.exit(f"the recorder ended with status {process.returncode}")
        begun = [path for path in directory.iterdir() if path.stat().st_size > 0]
        return len(begun) >= segments and journal.keyframe_seconds(max(begun, key=journal.created)) is not None

    wait_for(f"a whole keyframe in segment {segments - 1}", is_there)


def peak_rss_mib(process: subprocess.Popen) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"waited {PATIENCE_S} s in vain for {what}")
        time.sleep(0.1)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen]:
    """A program that is killed if it still runs in the end. `ip netns exec` becomes the program, so its id is that."""
    # Started by way of setpriv, it is killed also if this program is.
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def network_namespace() -> Iterator[list[str]]:
    """The command that runs another one within a namespace of its own."""
    name = f"ctrecorder-storm-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextmanager
def at_least(name: str, value: int) -> Iterator[None]:
    """Raises a setting of the whole machine, if it is lower, and puts it back."""
    path = SYSCTLS / name
    before = path.read_text()
    if int(before) >= value:
        yield
        return
    try:
        path.write_text(str(value))
        yield
    finally:
        path.write_text(before)


if __name__ == "__main__":
    sys.exit(main())
