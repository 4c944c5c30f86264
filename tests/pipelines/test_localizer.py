"""When a photograph is looked for once more, with contrast evened out."""

from types import SimpleNamespace

import numpy as np
import pytest

from sfm.features.detectors import DetectionOptions
from sfm.localization.options import FEW_INLIERS, LocalizationOptions
from sfm.pipelines import localizer as module
from sfm.pipelines.localizer import Localizer
from tests.features.pictures import texture

DARK = (texture() * 0.2).astype(np.uint8)


class Search:
    """Finds a photograph by so many points, or refuses it, depending on how many keypoints it has."""

    def __init__(self, monkeypatch, plain, equalized):
        self.outcomes, self.keypoints = [plain, equalized], []
        monkeypatch.setattr(module, "search", self)

    def __call__(self, query, *_):
        self.keypoints.append(len(query.keypoints))
        inliers, refusal = self.outcomes[len(self.keypoints) - 1]
        return SimpleNamespace(inliers=inliers, refusal=refusal)


@pytest.fixture
def localizer():
    """A map without anything in it."""
    made = Localizer.__new__(Localizer)
    made.options = LocalizationOptions()
    made.sparse_map = SimpleNamespace(cameras={})
    made.index = SimpleNamespace(recipe={"ratio": 0.8, "camera_keys": {}})
    made.run = SimpleNamespace(frame=None)
    made._detection = DetectionOptions(max_keypoints=500)
    made._descriptor = SimpleNamespace(describe=lambda image, keypoints: np.zeros((len(keypoints), 128)))
    return made


@pytest.mark.parametrize(
    ("plain", "equalized", "stands"),
    [
        ((5, "only 5"), (40, ""), 40),
        ((40, ""), (60, ""), 60),
        ((60, ""), (40, ""), 60),
        ((20, ""), (90, "by chance"), 20),
        ((5, "only 5"), (9, "only 9"), 9),
    ],
)
def test_what_hangs_by_a_thread_is_looked_for_again_and_the_better_pose_stands(
    monkeypatch, localizer, plain, equalized, stands
):
    search = Search(monkeypatch, plain, equalized)
    found = localizer.localize(DARK)
    assert found.inliers == stands
    assert found.localized == (not min(plain, equalized, key=lambda one: bool(one[1]))[1])
    few, many = search.keypoints
    assert many > 3 * few, "keypoints are found in the dark"


def test_what_is_found_well_is_not_looked_for_again(monkeypatch, localizer):
    search = Search(monkeypatch, (FEW_INLIERS, ""), (0, "never asked"))
    assert localizer.localize(DARK).inliers == FEW_INLIERS
    assert len(search.keypoints) == 1


def test_there_is_one_look_where_no_other_is_wanted_or_the_map_was_made_so(monkeypatch, localizer):
    search = Search(monkeypatch, (5, "only 5"), (0, "never asked"))
    localizer.options = LocalizationOptions(equalize=False)
    assert localizer.localize(DARK).refusal == "only 5"
    search.keypoints.clear()
    localizer.options = LocalizationOptions()
    localizer._detection = DetectionOptions(equalize=True)
    localizer.localize(DARK)
    assert len(search.keypoints) == 1
