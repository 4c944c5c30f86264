from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sfm.mapping.colmap_io import read_map
from sfm.pipelines import demo as module
from sfm.pipelines.demo import compare_by_night
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.rendering.walk import StreetOptions

from .progress import Heard

STREET = StreetOptions(views=4, width=160, height=120)


@pytest.fixture
def compared(monkeypatch):
    """What the comparison is called with; comparisons themselves are tested elsewhere."""
    calls = []

    def compare(images, out, **values):
        calls.append(SimpleNamespace(images=images, out=out, **values))

    monkeypatch.setattr(module, "compare", compare)
    return calls


def test_every_second_photograph_to_compare_is_of_the_night(tmp_path, compared):
    options = ReconstructOptions.of(max_keypoints=100)
    compare_by_night(tmp_path / "demo", STREET, options)
    (call,) = compared
    assert call.out == tmp_path / "demo" / "compare"
    assert call.options is options
    names = sorted(path.name for path in call.images.iterdir())
    assert sorted(read_map(call.ground_truth).poses) == names
    light = [np.asarray(Image.open(call.images / name)).mean() for name in names]
    assert max(light[1::2]) < 0.6 * min(light[::2])


def test_photographs_are_rendered_once(tmp_path, compared):
    heard = Heard()
    compare_by_night(tmp_path / "demo", STREET)
    compare_by_night(tmp_path / "demo", STREET, progress=heard)
    assert heard.said == ["Reused: the rendered photographs."]
