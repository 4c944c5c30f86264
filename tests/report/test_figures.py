import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from sfm.report.figures import Histogram, angle_histogram, error_histogram, track_length_histogram


def test_values_beyond_the_axis_count_in_the_last_bin():
    histogram = Histogram.of("t", np.array([0.1, 0.9, 5.0]), np.array([0.0, 0.5, 1.0]), [0, 1])
    assert histogram.counts.tolist() == [1, 2]
    assert histogram.overflow
    assert "≥ 1" in histogram.svg


def test_each_track_length_has_a_bin_of_its_own():
    histogram = track_length_histogram(np.array([2, 2, 2, 3, 5]))
    assert histogram.counts[:4].tolist() == [3, 1, 0, 1]
    assert not histogram.overflow
    assert histogram.median == 2


@pytest.mark.parametrize("make", [error_histogram, angle_histogram])
@pytest.mark.parametrize("values", [[], [0.0], [0.3] * 5, np.linspace(0, 87, 1000), [1e-9, 1e6]])
def test_every_value_is_counted_and_the_axis_is_round(make, values):
    histogram = make(np.array(values, float))
    assert histogram.counts.sum() == len(values)
    step = histogram.ticks[1] - histogram.ticks[0]
    assert re.fullmatch(r"[125]0*", f"{step / 10 ** np.floor(np.log10(step)):.0f}")


@pytest.mark.parametrize("values", [[], [2, 3, 4, 4, 9]])
def test_the_drawing_is_well_formed_and_inside_its_box(values):
    svg = ET.fromstring(track_length_histogram(np.array(values, int)).svg)
    _, _, width, height = map(float, svg.get("viewBox").split())
    for text in svg.iter("text"):
        assert 0 <= float(text.get("x")) <= width
        assert 0 <= float(text.get("y")) <= height
    assert ("median 4" in svg.get("aria-label")) == bool(values)


def test_labels_do_not_run_into_each_other():
    values = np.append(np.random.default_rng(0).gamma(2.0, 0.2, 1000), 50.0)
    svg = ET.fromstring(error_histogram(values).svg)
    labels = [text for text in svg.iter("text") if text.get("class") is None]
    *_, before, last = sorted(labels, key=lambda text: float(text.get("x")))
    assert last.text.startswith("≥ ")
    # Twelve pixels high, some seven wide a character; the last one ends where it stands.
    gap = float(last.get("x")) - 7 * len(last.text) - (float(before.get("x")) + 3.5 * len(before.text))
    assert gap > 0
