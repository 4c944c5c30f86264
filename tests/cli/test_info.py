import json

import pytest
from click.testing import CliRunner

from sfm.cli import info as info_module
from sfm.cli.info import (
    BFLOAT16_UNITS,
    INT8_UNITS,
    SYSTEM_LIBRARIES,
    apt_line,
    cpu_has,
    dependency_versions,
    missing_libraries,
)
from sfm.cli.main import main


def test_json_names_versions_and_hardware():
    result = CliRunner().invoke(main, ["info", "--json"])
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert set(data["packages"]) >= {"torch", "opencv-python", "numpy", "pycolmap", "click"}
    assert data["hardware"]["cpu_cores"] >= 1
    assert 0.5 < data["hardware"]["memory_gb"] < 10_000


def test_missing_libraries_come_with_one_apt_line(monkeypatch):
    monkeypatch.setattr(info_module, "_loads", lambda soname: soname == "libSM.so.6")
    monkeypatch.setattr(info_module, "_shipped", lambda soname: False)
    missing = missing_libraries()
    assert len(missing) == len(SYSTEM_LIBRARIES) - 1
    line = apt_line(missing)
    assert line.startswith("sudo apt-get install -y libgl1 libegl1 libglib2.0-0 ")
    assert "libsm6" not in line
    monkeypatch.setattr(info_module.platform, "system", lambda: "Linux")
    assert line in CliRunner().invoke(main, ["info"]).output


def test_dependency_that_is_missing_is_told_as_missing(monkeypatch):
    monkeypatch.setattr(
        info_module.importlib.metadata,
        "requires",
        lambda _: ["numpy>=1.26", "no-such-package[x]>=1", "evo; extra == 'dev'"],
    )
    versions = dependency_versions()
    assert versions["no-such-package"] is None
    assert versions["numpy"]
    assert "evo" not in versions


@pytest.mark.parametrize(
    ("units", "cpuinfo", "expected"),
    [
        (BFLOAT16_UNITS, "flags\t\t: fpu sse avx512_bf16\n", True),
        (BFLOAT16_UNITS, "flags\t\t: fpu sse avx512f\n", False),
        (BFLOAT16_UNITS, "Features\t: fp asimd bf16\n", True),
        (BFLOAT16_UNITS, "model name: unknown\n", None),
        (INT8_UNITS, "flags\t\t: fpu sse avx512_vnni\n", True),
        (INT8_UNITS, "flags\t\t: fpu sse avx512_bf16\n", False),
    ],
)
def test_fast_precisions_are_read_from_the_processor_flags(tmp_path, units, cpuinfo, expected):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    assert cpu_has(*units, cpuinfo=path) is expected


def test_precisions_are_unknown_where_there_is_no_cpuinfo(tmp_path):
    assert cpu_has(*BFLOAT16_UNITS, cpuinfo=tmp_path / "none") is None
