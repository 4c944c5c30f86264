"""Results as values that JSON has, and as its text."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def json_text(value: Any) -> str:
    """Return a result as indented JSON, by the rules of `to_json`, so that any reader takes it."""
    return json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False)


def to_json(value: Any) -> Any:
    """Turn a result into values that JSON has: NaN and infinities become null, numpy values plain ones."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_text(str(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return _text(str(value))
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return to_json(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(str(value))


def _text(value: str) -> str:
    """Return text as UTF-8 can hold it: names of files may have bytes that it cannot."""
    return value.encode("utf-8", "replace").decode()
