import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfm.json_values import json_text, to_json


def test_to_json_takes_dataclasses_and_arrays():
    @dataclass
    class Result:
        xyz: np.ndarray
        names: tuple

    value = to_json(Result(np.array([[1.0, np.inf]]), ("a", 2)))
    assert value == {"xyz": [[1.0, None]], "names": ["a", 2]}


def test_the_text_is_json_whatever_the_numbers():
    def refused(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = json_text({"rms": float("nan"), "best": [-np.inf, np.float32(0.5)]})
    assert json.loads(text, parse_constant=refused) == {"rms": None, "best": [None, 0.5]}


def test_names_that_are_no_utf8_can_be_written():
    text = json_text({"caf\udce9.jpg": ["caf\udce9.jpg", Path("caf\udce9")]})
    assert json.loads(text.encode()) == {"caf?.jpg": ["caf?.jpg", "caf?"]}
