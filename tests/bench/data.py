"""The synthetic workload in files of both versions, and in nfdump's."""

import io
import signal
import socket
import struct
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

PATIENCE_SECONDS = 60


class Question(NamedTuple):
    subscriber: str  # one in the middle: about one flow in 11,000
    peer: str  # one that has a flow or two
    public: tuple[str, str]  # address and port
    at: str  # when that was somebody's, seconds since the epoch


def recorded(built: Path, data: Path, name: str, flows: int, *options: str) -> Path:
    """The workload as it was recorded with these options, unless it is there already; its truth stands beside it."""
    path = data / f"{flows}.{name}"
    if not path.exists():
        print(f"making {path}", file=sys.stderr)
        data.mkdir(parents=True, exist_ok=True)
        half, truth = data / f"{flows}.{name}.half", truth_of(path)
        subprocess.run(["rm", "-rf", half, truth], check=True)
        synth = [built / "examples" / "synth", f"--flows={flows}", *options, "--compact", "--truth", truth, half]
        subprocess.run(synth, check=True)
        half.rename(path)
    return path


def truth_of(path: Path) -> Path:
    return path.with_name(path.name + ".truth")


def question(path: Path) -> Question:
    """What to ask for: a flow in the middle of what was recorded, and the rarest peer among some around it."""
    flow = struct.Struct("<QQ4sH4sH4sHBB")
    with truth_of(path).open("rb") as truth:
        flows = truth.seek(0, io.SEEK_END) // flow.size
        truth.seek(flows // 2 * flow.size)
        around = [flow.unpack(truth.read(flow.size)) for _ in range(min(1000, flows // 2))]
    start, _, _, _, public, port = around[0][:6]
    # The rarer, the higher their address.
    peer = max(flow[6] for flow in around)
    at = f"{start // 10**9}.{start % 10**9:09}"
    return Question("100.64.16.0", str(ip_address(peer)), (str(ip_address(public)), str(port)), at)


def nfdump(built: Path, data: Path, flows: int) -> Path:
    """The same events in a file of nfdump's (LZ4), made by its own collector out of NetFlow records on the loopback."""
    path = data / f"{flows}.nfdump"
    if path.exists():
        return path
    print(f"making {path}", file=sys.stderr)
    half = data / f"{flows}.nfdump.half"
    subprocess.run(["rm", "-rf", half], check=True)
    half.mkdir(parents=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    collect = ["nfcapd", "-b", "127.0.0.1", "-p", port, "-w", str(half), "-y", "-t", "86400"]
    with (data / "nfcapd.log").open("w") as log:
        collector = subprocess.Popen(collect, stdout=log, stderr=log)
        try:
            wait_for_listener(collector, port)
            send = [str(built / "examples" / "netflow"), port, "--flows", str(flows)]
            sent = int(subprocess.run(send, check=True, stdout=subprocess.PIPE).stdout)
        finally:
            collector.send_signal(signal.SIGTERM)
            collector.wait(PATIENCE_SECONDS)
    told = (data / "nfcapd.log").read_text()
    if f"Flows: {sent}," not in told:
        sys.exit(f"nfcapd did not take {sent} events: {told}")
    half.rename(path)
    return path


def wait_for_listener(collector: subprocess.Popen[bytes], port: str) -> None:
    wanted = f":{int(port):04X} "
    deadline = time.monotonic() + PATIENCE_SECONDS
    while wanted not in Path("/proc/net/udp").read_text():
        if collector.poll() is not None or time.monotonic() > deadline:
            sys.exit("nfcapd does not listen")
        time.sleep(0.01)
