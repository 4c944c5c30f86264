import signal
import subprocess
import sys

import pytest

HANDLERS = {
    "signal.SIG_DFL": -signal.SIGTERM,
    "lambda number, frame: sys.exit(7)": 7,
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_sigterm_stays_what_it_was(handler):
    script = (
        f"import os, signal, sys\nsignal.signal(signal.SIGTERM, {handler})\n"
        "from sfm.mapping.colmap import pycolmap\nos.kill(os.getpid(), signal.SIGTERM)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == HANDLERS[handler]
    assert done.stderr == ""


def test_png_can_be_saved_whatever_is_imported_first():
    script = (
        "from sfm.mapping.colmap import pycolmap\nimport io\nfrom PIL import Image\n"
        "Image.new('RGB', (9, 9)).save(io.BytesIO(), 'PNG')"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
