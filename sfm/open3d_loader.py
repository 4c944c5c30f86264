"""The one place that imports Open3D: late, and with the system library its Linux wheel takes for granted.

Open3D 0.20's wheel for Linux links against libusb-1.0.so.0 (for depth cameras this package never uses), which
a fresh system does not have. The `libusb-package` wheel ships the library; loading that copy with global
symbols first lets Open3D find it, without root.

Some pairs of Open3D and torch wheels crash by the order of their imports. With the versions that
constraints.txt pins both orders work, and a test runs them in processes of their own.
"""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType

from sfm.errors import WorkError


def import_open3d() -> ModuleType:
    """Return the module `open3d`, importing it on the first call (about a second).

    Raises `WorkError`, naming what is missing, if it cannot be imported.
    """
    if sys.platform.startswith("linux"):
        _load_libusb()
    try:
        import open3d
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WorkError(
            f"Open3D cannot be imported ({reason}). Install it with `pip install open3d libusb-package`; "
            "on a bare container also `apt-get install libgl1 libegl1 libgomp1 libx11-6`."
        ) from error
    return open3d


def _load_libusb() -> None:
    name = "libusb-1.0.so.0"
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        # Where this fails too, Open3D's own ImportError names the library.
        try:
            import libusb_package

            ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
        except (ImportError, OSError):
            return
