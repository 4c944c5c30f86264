"""Tell whether a COLMAP database is whole."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_PAGE_SIZE_AT, _LARGEST_PAGE = 16, 65536
# Bytes of an entry in the tables that keep arrays beside the numbers of their rows and columns.
_ENTRY_BYTES = {"keypoints": 4, "matches": 4, "two_view_geometries": 4}


def is_cut(path: Path) -> bool:
    """Whether a database file ends within a page: SQLite itself takes the missing bytes for zeros.

    What a killed run left in the log beside it may complete the last page, so then nothing can be said.
    """
    if _is_filled(Path(f"{path}-wal")) or _is_filled(Path(f"{path}-journal")):
        return False
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        size = path.stat().st_size
    except OSError:
        return False
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        return False  # SQLite tells so itself
    (page,) = struct.unpack_from(">H", header, _PAGE_SIZE_AT)
    return bool(size % (_LARGEST_PAGE if page == 1 else page))


def _is_filled(log: Path) -> bool:
    return log.is_file() and log.stat().st_size > 0


def damage_of(rows: sqlite3.Connection) -> str | None:
    """Return what is wrong with an open database, in a few words; None if it is whole.

    SQLite checks its pages; that arrays are as long as their rows say is checked here. Raises
    `sqlite3.OperationalError` where the file may be fine but cannot be read now.
    """
    try:
        return _damaged_pages(rows) or _damaged_rows(rows)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)


def _damaged_pages(rows: sqlite3.Connection) -> str | None:
    (told,) = rows.execute("PRAGMA quick_check(1)").fetchone()
    return None if told == "ok" else str(told).splitlines()[-1]


def _damaged_rows(rows: sqlite3.Connection) -> str | None:
    there = {name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in sorted(there & _ENTRY_BYTES.keys()):
        size = _ENTRY_BYTES[table]
        query = f"SELECT 1 FROM {table} WHERE rows * cols * {size} != length(coalesce(data, x'')) LIMIT 1"
        if rows.execute(query).fetchone():
            return f"rows of {table} are not whole"
    return None
