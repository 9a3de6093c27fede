"""Whether people can read it: text at 4.5 to 1, and marks at 3 to 1, in both themes; computed from the tokens."""

from __future__ import annotations

import math
import re

import pytest

from web.assets import STATIC

TEXT = [
    ("text", "page"),
    ("text", "card"),
    ("text", "track"),
    ("muted", "page"),
    ("muted", "card"),
    ("muted", "track"),
    ("accent", "card"),
    ("up", "card"),
    ("down", "card"),
    ("good", "card"),
    ("good", "good-soft"),
    ("bad", "card"),
    ("bad", "bad-soft"),
    ("warn", "card"),
    ("warn", "warn-soft"),
    ("page", "text"),  # the toast
    ("card", "bad"),  # what must be seen at once
]
MARKS = [(mark, "card") for mark in ("mark", "accent", "up", "down", "good", "bad")]
MARKS += [("mark", "page"), ("accent", "page")]
EYES = {
    "all cones": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""What an eye sees of linear red, green and blue (Machado, Oliveira and Fernandes, 2009, severity 1)."""
HEX = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")


def tokens(theme: str) -> dict[str, str]:
    """Read the tokens of a theme: the dark one overrules the light one."""
    light, _, dark = (STATIC / "styles" / "tokens.css").read_text(encoding="utf-8").partition('data-theme="dark"')
    return dict(HEX.findall(light)) | (dict(HEX.findall(dark)) if theme == "dark" else {})


def linear(colour: str) -> list[float]:
    """Return red, green and blue as light, from 0 to 1."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG defines it."""
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, eye: str) -> tuple[float, float, float]:
    """Return what an eye sees of a colour, in CIE L*a*b*."""
    light = linear(colour)
    red, green, blue = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in EYES[eye])
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_a_gain_can_be_told_from_a_loss_by_any_eye(eye: str, theme: str) -> None:
    """By a CIE76 difference; one of 2 is just seen. Green and red have 8 for an eye without green cones."""
    found = tokens(theme)
    assert math.dist(lab(found["up"], eye), lab(found["down"], eye)) >= 40
    assert math.dist(lab("#45c78a", "no green"), lab("#f5757d", "no green")) < 10


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_two_themes_differ(theme: str) -> None:
    found = tokens(theme)
    assert (luminance(found["page"]) > 0.5) is (theme == "light")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), TEXT)
def test_text_can_be_read(ink: str, paper: str, theme: str) -> None:
    found = tokens(theme)
    assert contrast(found[ink], found[paper]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), MARKS)
def test_marks_can_be_told_from_what_they_stand_on(ink: str, paper: str, theme: str) -> None:
    found = tokens(theme)
    assert contrast(found[ink], found[paper]) >= 3
