"""The clock: whether it runs evenly, and what the venue says the time is. Pure: times are handed in, in seconds."""

from __future__ import annotations

from typing import NamedTuple

from service.doctor.findings import Finding, failed, ok, warning

_EARLIEST = 1_767_225_600.0  # 2026-01-01 UTC; this program is younger
_MOST_STEP_S = 0.25  # between the two clocks, while the checks run
_MOST_OFFSET_S = 2.0  # a Date header has whole seconds


class Moment(NamedTuple):
    """What both clocks of the machine say at one time."""

    wall_s: float
    monotonic_s: float


def steadiness(before: Moment, after: Moment) -> Finding:
    """Judge whether the wall clock went as far as the monotonic one while the checks ran."""
    passed = after.monotonic_s - before.monotonic_s
    step = after.wall_s - before.wall_s - passed
    if before.wall_s < _EARLIEST:
        found = "the machine's clock is years behind"
        return failed("clock", found, "set it, or let the system set it by NTP (`timedatectl set-ntp true`)")
    if passed < 0 or abs(step) > _MOST_STEP_S:
        found = f"the clock was set by {step:+.2f} s while the checks ran"
        return warning("clock", found, "let NTP slew it instead of stepping it; time-outs go by another clock")
    return ok("clock", f"it runs evenly (off by {step * 1000:+.1f} ms in {passed:.1f} s)")


def offset(venue_s: float | None, machine_s: float, took_s: float, most_skew_s: float, where: str) -> Finding:
    """Judge the machine's clock by the venue's, which it asked for `took_s`; None: there was no answer."""
    check = "venue's time"
    if venue_s is None:
        return warning(check, f"{where} does not answer, so the clock cannot be compared", "try again when it does")
    behind = venue_s + 0.5 - machine_s  # its seconds are cut off: half of one is what is not known
    found = f"the machine's clock is {abs(behind):.1f} s {'behind' if behind > 0 else 'ahead of'} {where}"
    remedy = "set it by NTP (`timedatectl set-ntp true`)"
    if abs(behind) > most_skew_s + took_s:
        return failed(check, f"{found}: its ticks would be refused (admission.max_skew_s is {most_skew_s:g})", remedy)
    if abs(behind) > _MOST_OFFSET_S + took_s:
        return warning(check, found, remedy)
    return ok(check, f"{where} agrees within {_MOST_OFFSET_S + took_s:.1f} s")
