"""The one place that imports pycolmap: quiet, and SIGTERM stays what it was.

Once imported, pycolmap takes SIGTERM for a crash and answers it with a stack trace.
"""

from __future__ import annotations

import signal
from contextlib import suppress

# Pillow brings a zlib of its own: loaded after pycolmap's, the two mix, and saving a PNG aborts the process.
from PIL import Image

_handler = signal.getsignal(signal.SIGTERM)
Image.init()

import pycolmap  # noqa: E402 - the handler has to be known first

if _handler is not None:  # None: it is not Python's, so it cannot be put back
    with suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, _handler)

# COLMAP tells every step on stderr, and of a stopped mapper that it made no model; this project tells its own.
pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)

__all__ = ["pycolmap"]
