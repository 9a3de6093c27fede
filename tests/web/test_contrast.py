"""Whether people can read it: text at 4.5 to 1, and marks at 3 to 1, in both themes; computed from the tokens."""

from __future__ import annotations

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
    ("up", "up-soft"),
    ("down", "card"),
    ("down", "down-soft"),
    ("warn", "card"),
    ("warn", "warn-soft"),
    ("page", "text"),  # the toast
    ("card", "down"),  # what must be seen at once
]
MARKS = [("mark", "card"), ("mark", "page"), ("accent", "card"), ("accent", "page"), ("up", "card"), ("down", "card")]
HEX = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")


def tokens(theme: str) -> dict[str, str]:
    """Read the tokens of a theme: the dark one overrules the light one."""
    light, _, dark = (STATIC / "styles" / "tokens.css").read_text(encoding="utf-8").partition('data-theme="dark"')
    return dict(HEX.findall(light)) | (dict(HEX.findall(dark)) if theme == "dark" else {})


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG defines it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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
