"""What the conditions of a symbol read when its position was closed: the journal has that of entries only."""

from __future__ import annotations

from pathlib import Path

from pipeline.events import Reading
from service.errors import UserError
from service.recorded.decisions import Changes, Side
from service.recorded.trust import Trust


def readings_at(recording: Path, number: int, symbol: str, data_dir: Path) -> tuple[Reading, ...]:
    """Decide a session again up to an input, and return what was read there. Raises UserError where that cannot be."""
    if not recording.is_file():
        raise UserError(f"the recording {recording} is gone, and without it that cannot be told")
    core, _ = Side(recording, Changes(), Trust(data_dir)).at(number)
    if core.input < number:
        raise UserError(f"the recording {recording} ends before that, with input {core.input:,}")
    context = core.contexts.get(symbol)
    frame = context.probe.frame if context is not None else None
    return frame.readings if frame is not None else ()
