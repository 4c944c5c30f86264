"""Numbers and their nouns in what people read."""

from __future__ import annotations


def count(number: int, things: str) -> str:
    """Return a number with its noun, given in the plural: "1 image" and "2 images" of `images`."""
    if number != 1:
        return f"{number} {things}"
    one = things.removesuffix("es") if things.endswith(("ches", "shes", "xes")) else things.removesuffix("s")
    return f"1 {one}"
