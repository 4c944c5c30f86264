"""The table of a comparison as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from sfm.json_values import to_json
from sfm.report.comparison import Cell, Table

_COLUMNS = ("median", "low", "high", "runs", "stands_out")


def table_json(table: Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a JSON-ready object a metric, with a cell for each of the arms `names`; unknown values are None."""
    return [
        {
            "metric": metric.key,
            "label": metric.label,
            "better": metric.better,
            **{name: _cell(cell) for name, cell in zip(names, cells, strict=True)},
        }
        for metric, cells in table
    ]


def table_csv(table: Table, names: Sequence[str]) -> str:
    """Return the table with one line a metric and arm; unknown values are empty."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("metric", "label", "better", "descriptor", *_COLUMNS))
    for metric, cells in table:
        for name, cell in zip(names, cells, strict=True):
            values = _cell(cell)
            lines.writerow((metric.key, metric.label, metric.better, name, *(values[c] for c in _COLUMNS)))
    return text.getvalue()


def _cell(cell: Cell) -> dict[str, Any]:
    values = to_json((cell.median, cell.low, cell.high, cell.count, cell.best))
    return dict(zip(_COLUMNS, values, strict=True))
