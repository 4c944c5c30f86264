import builtins
import subprocess
import sys

import pytest

from sfm.errors import WorkError
from sfm.open3d_loader import import_open3d

USE_OPEN3D = "import_open3d().t.geometry.RaycastingScene()"
USE_TORCH = "torch.nn.Conv2d(1, 4, 3)(torch.ones(1, 1, 16, 16)).sum().backward()"


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("other", ["torch", "pycolmap", "cv2"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_import_order_does_not_crash(other, first):
    use_other = f"import {other}" + (f"; {USE_TORCH}" if other == "torch" else "")
    use_open3d = f"from sfm.open3d_loader import import_open3d; {USE_OPEN3D}"
    order = [use_other, use_open3d] if first else [use_open3d, use_other]
    done = run("\n".join([*order, order[0], "print('alive')"]))
    assert done.returncode == 0, done.stderr
    assert "alive" in done.stdout


def test_failure_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "open3d":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(WorkError, match=r"libGL\.so\.1.*apt-get"):
        import_open3d()


def test_open3d_is_not_imported_by_the_package():
    done = run("import sys, sfm.rendering.walk; print('open3d' in sys.modules, 'torch' in sys.modules)")
    assert done.stdout.split() == ["False", "False"], done.stderr
