"""Numbers with their nouns, and lists of names, in what people read."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, things: str) -> str:
    """Return a number with its noun, given in the plural: "1 image" and "2 images" of `images`."""
    if number != 1:
        return f"{number} {things}"
    one = things.removesuffix("es") if things.endswith(("ches", "shes", "xes")) else things.removesuffix("s")
    return f"1 {one}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names with commas, and of more than `most` how many are left: "a.jpg, b.jpg and 7 more"."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
