"""Numbers with their nouns, and lists of names, in what people read."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Line breaks and tabs of this project's own texts; an escape sequence needs another control character to begin with.
_LAYOUT = "\n\t"
_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


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


def printable(text: str) -> str:
    """Return text with question marks for what a terminal would obey instead of show, or could not write.

    Names of files may hold control characters, characters that turn the direction of writing, and bytes that are no
    UTF-8.
    """
    return "".join(char if char in _LAYOUT or _is_shown(char) else "?" for char in text)


def _is_shown(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    # Cc: control characters; Cs: bytes that are no UTF-8; the others of Cf that matter turn the direction of writing.
    return unicodedata.category(char) not in ("Cc", "Cs") and unicodedata.bidirectional(char) not in _TURNS
