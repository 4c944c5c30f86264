"""Files that come from others, damaged at random: read, or refused by an `SfmError`, and never anything else."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfm.errors import SfmError
from tests.readers import READERS

_NUMBERS = st.sampled_from([0, 1, 127, 128, 255, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1])
_WORDS = st.sampled_from(
    [b"nan", b"-inf", b"1e999", b"1_0", b"-1", b"\0", b"\xff", b"null", b"[]", b"9" * 400, b"\n", b","]
)


@st.composite
def damaged(draw, good):
    """Draw bytes that were `good` before something was overwritten, put in, or cut off."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["number", "word", "bytes", "cut", "twice"]))
        if what == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            data[place : place + width] = (draw(_NUMBERS) % 256**width).to_bytes(width, "little")
        elif what == "word":
            data[place : place + draw(st.integers(0, 4))] = draw(_WORDS)
        elif what == "bytes":
            put = draw(st.binary(max_size=12))
            data[place : place + len(put)] = put
        elif what == "cut":
            del data[place:]
        else:
            data[place:place] = data[max(0, place - 40) : place]
    return bytes(data)


@pytest.mark.parametrize("name", READERS)
@settings(
    max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_damaged_file_is_read_or_refused_and_never_a_fault(name, data):
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        reader.make(folder)
        path = folder / reader.file
        path.write_bytes(data.draw(damaged(path.read_bytes())))
        with suppress(SfmError):
            reader.read(folder)


@pytest.mark.parametrize("name", READERS)
def test_good_file_is_read(name, tmp_path):
    READERS[name].make(tmp_path)
    READERS[name].read(tmp_path)
