"""What a journal says of itself, read as docs/format.md says; `ctrecorder test` is there to check it."""

import mmap
import struct
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

HEADER_MAX = 65536
KIND_NOTES = 3

KERNEL_OVERRUN = 3
NO_GAPS = {1, 2, 6}
NO_GAP_BIT = 1 << 15
TABLE_READ = NO_GAP_BIT | 1
ACCOUNT = NO_GAP_BIT | 2

LOST_UNKNOWN = 2**64 - 1


class Note(NamedTuple):
    begin: int
    end: int
    lost: int
    value: int
    cause: int

    def is_gap(self) -> bool:
        return self.cause not in NO_GAPS and not self.cause & NO_GAP_BIT


def segments(directory: Path) -> list[Path]:
    """In the order in which they were begun."""
    return sorted(directory.iterdir(), key=created)


def created(segment: Path) -> int:
    """When it was begun, in ns since the epoch."""
    with segment.open("rb") as file:
        body = file.read(HEADER_MAX)
    at = 64
    for fixed in (4, 16 + 8 + 8):  # software, content; host, boot_id, recorder_started, segment_number
        (length,) = struct.unpack_from("<Q", body, at)
        at += 8 + length + fixed
    return struct.unpack_from("<Q", body, at)[0]


def notes(segment: Path) -> Iterator[Note]:
    """Those in the segment's whole blocks."""
    with segment.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file:
        (at,) = struct.unpack_from("<8xI", file)
        while at + 64 <= len(file):
            kind, count, length = struct.unpack_from("<12xB3xII", file, at)
            payload, at = at + 64, at + 64 + (length + 63) // 64 * 64
            if at > len(file):
                break
            for number in range(count if kind == KIND_NOTES else 0):
                yield Note(*struct.unpack_from("<QQQqH", file, payload + 40 * number))


def missing(directory: Path) -> Optional[int]:
    """How many events are missing by the account that the journal gives; None if it does not know."""
    every = [note for segment in segments(directory) for note in notes(segment)]
    accounts = [note for note in every if note.cause == ACCOUNT]
    told = [note.lost for note in accounts]
    for note in every:
        settled = any(account.begin <= note.begin <= account.end for account in accounts)
        if note.is_gap() and not (note.cause == KERNEL_OVERRUN and settled):
            told.append(note.lost)
    if LOST_UNKNOWN in told:
        return None
    return sum(told) - sum(account.value for account in accounts)


def keyframe_seconds(segment: Path) -> Optional[float]:
    """How long after the segment's beginning its keyframe was whole; None if it is not yet."""
    ends = [note.end for note in notes(segment) if note.cause == TABLE_READ]
    return (min(ends) - created(segment)) / 1e9 if ends else None
