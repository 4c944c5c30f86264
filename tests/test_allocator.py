import subprocess
import sys

import pytest

# Each round frees what the next one asks for again; a page that has to be mapped anew is a minor fault.
FAULTS = """
import resource
import numpy as np
from sfm.allocator import keep_freed_memory
{call}
def round():
    np.empty(64 << 20, np.uint8).fill(1)
round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    round()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call):
    ended = subprocess.run(
        [sys.executable, "-c", FAULTS.format(call=call)], capture_output=True, text=True, check=True
    )
    return int(ended.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told")
def test_freed_memory_is_used_again():
    assert faults("assert keep_freed_memory()") < 0.05 * faults("") + 50


def test_elsewhere_nothing_happens(monkeypatch):
    from sfm.allocator import keep_freed_memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
