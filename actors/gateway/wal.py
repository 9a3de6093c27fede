"""SQLite's write-ahead log: whether it holds commits that SQLite would pass over in silence.

SQLite reads the log up to its first bad frame and forgets what follows, for a frame that was being written when the
machine stopped looks like that. A frame that went bad later looks the same, but commits follow it.
Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
"""

from __future__ import annotations

import struct

_HEADER, _FRAME = 32, 24  # bytes; a page follows each frame's header
_MAGIC = (0x377F0682, 0x377F0683)  # the second one's checksums are of big-endian words
_MOST_UNFINISHED = 1  # commits that the machine may have been writing when it stopped


def damage(log: bytes) -> str:
    """Return what is wrong with a write-ahead log, in a few words; empty if nothing is."""
    if not log:
        return ""
    if len(log) < _HEADER:
        return "its header is cut off"
    magic, _, page, _, salt_1, salt_2, *told = struct.unpack(">8I", log[:_HEADER])
    order = ">" if magic == _MAGIC[1] else "<"
    sums = _sums(log[: _HEADER - 8], order, 0, 0)
    if magic not in _MAGIC or sums != tuple(told) or not 512 <= page <= 65_536:
        return "its header is damaged"
    size = _FRAME + page
    frames = [log[at : at + size] for at in range(_HEADER, len(log) - size + 1, size)]
    for number, frame in enumerate(frames, 1):
        _, _, *salts, told_1, told_2 = struct.unpack(">6I", frame[:_FRAME])
        sums = _sums(frame[_FRAME:], order, *_sums(frame[:8], order, *sums))
        if sums == (told_1, told_2) and salts == [salt_1, salt_2]:
            continue
        lost = sum(_is_commit(later, salt_1, salt_2) for later in frames[number - 1 :])
        return f"its frame {number} is damaged, and {lost} commits follow" if lost > _MOST_UNFINISHED else ""
    return ""


def _is_commit(frame: bytes, salt_1: int, salt_2: int) -> bool:
    """Whether a frame ends a commit of this log, and not of one that lay there before."""
    _, pages, *salts, _, _ = struct.unpack(">6I", frame[:_FRAME])
    return bool(pages) and salts == [salt_1, salt_2]


def _sums(data: bytes, order: str, sum_1: int, sum_2: int) -> tuple[int, int]:
    for word_1, word_2 in struct.iter_unpack(f"{order}2I", data):
        sum_1 = (sum_1 + word_1 + sum_2) & 0xFFFFFFFF
        sum_2 = (sum_2 + word_2 + sum_1) & 0xFFFFFFFF
    return sum_1, sum_2
