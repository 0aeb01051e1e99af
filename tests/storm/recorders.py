"""The recorders that are held against each other: how each is started, and what it recorded."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import journal

SOCKET_BUFFER = 64 * 1024 * 1024

# An account that no number of events made is equal to.
NEVER_EXACT = -1

ULOGD = """
[global]
logfile="{directory}/messages"
loglevel=5
{plugins}
stack=ct1:NFCT,ip2str1:IP2STR,print1:PRINTFLOW,emu1:LOGEMU

[ct1]
event_mask=5
hash_enable=0
netlink_socket_buffer_size={buffer}
netlink_socket_buffer_maxsize={buffer_max}

[emu1]
file="{directory}/flows"
sync=0
"""
ULOGD_PLUGINS = ("inpflow_NFCT", "filter_IP2STR", "filter_PRINTFLOW", "output_LOGEMU")


@dataclass
class Heard:
    """What a recorder has to show."""

    recorded: int
    # What it says itself that it lost.
    lost: str
    # By its own account, if that is meant to be exact: recorded and lost.
    accounted: Optional[int] = None


@dataclass
class Recorder:
    name: str
    # The command that records into a directory until SIGTERM.
    command: Callable[[Path], list[str]]
    # What is in that directory afterwards.
    heard: Callable[[Path], Heard]


def ctrecorder(built: Path) -> Recorder:
    program = str(built / "ctrecorder")

    def heard(directory: Path) -> Heard:
        # Gaps, which it tells of on standard error, are in the journal's own account below.
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([program, "list", "-H", directory], **streams) as listed:
            recorded = sum(1 for _ in listed.stdout)
        if listed.returncode != 0:
            raise RuntimeError(f"ctrecorder list: status {listed.returncode}")
        subprocess.run([program, "test", directory], check=True, stdout=subprocess.DEVNULL)
        missing = journal.missing(directory)
        if missing is None:
            return Heard(recorded, "not known", NEVER_EXACT)
        return Heard(recorded, str(missing), recorded + missing)

    return Recorder("ctrecorder capture", lambda to: [program, "capture", "--foreground", "--file", f"{to}/%s"], heard)


def conntrack() -> Recorder:
    def heard(directory: Path) -> Heard:
        overruns = (directory / "messages").read_text().count("losing events")
        return Heard(lines(directory / "lines"), "some" if overruns else "none")

    def command(to: Path) -> list[str]:
        events = f"conntrack -E -e NEW,DESTROY -b {SOCKET_BUFFER}"
        return redirected(f"{events} 2> {to}/messages", to)

    return Recorder("conntrack -E", command, heard)


def ulogd() -> Recorder:
    def command(to: Path) -> list[str]:
        plugins = "\n".join(f'plugin="{plugin_directory()}/ulogd_{name}.so"' for name in ULOGD_PLUGINS)
        # It takes the size only if that is below the greatest one.
        text = ULOGD.format(directory=to, plugins=plugins, buffer=SOCKET_BUFFER, buffer_max=2 * SOCKET_BUFFER)
        (to / "ulogd.conf").write_text(text)
        return ["ulogd", "--configfile", f"{to}/ulogd.conf"]

    def heard(directory: Path) -> Heard:
        overruns = (directory / "messages").read_text().count("losing events")
        at_its_end = "Maximum buffer size" in (directory / "messages").read_text()
        return Heard(lines(directory / "flows"), "some" if overruns or at_its_end else "none")

    return Recorder("ulogd2", command, heard)


def thrown_away(storm: Path) -> Recorder:
    def heard(directory: Path) -> Heard:
        received, dropped = map(int, (directory / "lines").read_text().split())
        return Heard(received, str(dropped), received + dropped)

    return Recorder("thrown away", lambda to: redirected(f"{storm} drain -b {SOCKET_BUFFER // 1024}", to), heard)


def redirected(command: str, directory: Path) -> list[str]:
    return ["sh", "-c", f"exec {command} > {directory}/lines"]


def lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def plugin_directory() -> Path:
    files = subprocess.run(["dpkg", "--listfiles", "ulogd2"], check=True, capture_output=True, text=True).stdout
    return next(Path(file).parent for file in files.splitlines() if file.endswith("_NFCT.so"))
