"""Read numbers as other programs write them, not as Python does."""

from __future__ import annotations

_PLAIN = frozenset("0123456789+-.eE")
_WORDS = frozenset({"nan", "inf", "infinity"})


def plain_float(text: str) -> float:
    """Return the number in `text`; `ValueError` for `4_00` and digits that are not ASCII, which Python takes."""
    text = text.strip()
    if not _PLAIN.issuperset(text) and text.lstrip("+-").lower() not in _WORDS:
        raise ValueError(f"{text!r} is no number")
    return float(text)


def plain_int(text: str) -> int:
    """Return the integer in `text`; `ValueError` under the rules of `plain_float`."""
    text = text.strip()
    if not _PLAIN.issuperset(text):
        raise ValueError(f"{text!r} is no integer")
    return int(text)
