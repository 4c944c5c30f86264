"""The shape of the repository: floors, borders, and what an installation contains."""

import ast
import configparser
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import networkx as nx
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"sfm": ROOT / "sfm", "sfm.pipelines": ROOT / "pipelines", "sfm.cli": ROOT / "cli"}
# The public API of the package offers pipelines by name and imports them when asked.
LAZY_API = ROOT / "sfm" / "__init__.py"


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements():
    project = pyproject()["project"]
    return [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]


def package_folders():
    """Return the folder of every package, by its dotted name."""
    return {
        ".".join([name, *init.parent.relative_to(floor).parts]): init.parent
        for name, floor in FLOORS.items()
        for init in floor.rglob("__init__.py")
    }


def imports_of(path):
    """Return the dotted names that a module imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that the floors can be read off them"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers_of(name, floors=FLOORS):
    """Return the modules of some floors that import the package `name` or something in it."""
    return [
        path.relative_to(ROOT).as_posix()
        for floor in floors
        for path in sorted(FLOORS[floor].rglob("*.py"))
        if any(imported == name or imported.startswith(f"{name}.") for imported in imports_of(path))
    ]


def tracked_texts():
    """Yield path and content of every text file under version control."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git working tree, or git is missing")
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        try:
            yield name, path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


class TestFloors:
    def test_the_library_imports_neither_pipelines_nor_the_command_line(self):
        upward = importers_of("sfm.pipelines", ["sfm"]) + importers_of("sfm.cli", ["sfm"])
        assert set(upward) <= {LAZY_API.relative_to(ROOT).as_posix()}

    def test_pipelines_do_not_import_the_command_line(self):
        assert importers_of("sfm.cli", ["sfm.pipelines"]) == []

    def test_packages_of_the_library_depend_on_each_other_in_one_direction(self):
        graph = nx.DiGraph()
        for path in FLOORS["sfm"].rglob("*.py"):
            parts = path.relative_to(FLOORS["sfm"]).with_suffix("").parts
            if path != LAZY_API:
                graph.add_edges_from(
                    (parts[0], name.split(".")[1]) for name in imports_of(path) if name.startswith("sfm.")
                )
        graph.remove_edges_from(list(nx.selfloop_edges(graph)))
        assert list(nx.simple_cycles(graph)) == []

    def test_pycolmap_stays_behind_its_border(self):
        border = ("sfm/mapping/", "sfm/localization/absolute_pose.py")
        assert [path for path in importers_of("sfm.mapping.colmap") if not path.startswith(border)] == []
        assert importers_of("pycolmap") == ["sfm/mapping/colmap.py"]

    def test_open3d_is_imported_in_one_place(self):
        assert importers_of("open3d") == ["sfm/open3d_loader.py"]


class TestPackages:
    def test_setup_cfg_lists_every_package(self):
        listed = setup_cfg()["options"]["packages"].split()
        assert sorted(listed) == sorted(package_folders())

    def test_every_folder_with_modules_is_a_package(self):
        for floor in FLOORS.values():
            for module in floor.rglob("*.py"):
                assert (module.parent / "__init__.py").is_file(), f"{module.parent} has no __init__.py"

    def test_data_files_are_packaged(self):
        config = setup_cfg()["options.package_data"]
        folders = package_folders()
        packaged = {
            path
            for name, patterns in config.items()
            for p in patterns.split()
            for path in folders[name].glob(p)
        }
        data = {
            path
            for floor in FLOORS.values()
            for path in floor.rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
        }
        assert ROOT / "sfm" / "py.typed" in packaged
        assert sorted(data - packaged) == []

    def test_weights_are_those_of_the_manifest(self):
        folder = ROOT / "sfm" / "features" / "weights"
        manifest = folder / "manifest.json"
        if not manifest.is_file():
            pytest.skip("no weights ship with this version")
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        assert {entry["file"] for entry in entries.values()} == {p.name for p in folder.glob("*.safetensors")}
        for entry in entries.values():
            assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]

    @pytest.mark.slow
    def test_wheel_holds_all_of_it(self, tmp_path):
        source = tmp_path / "source"
        leave_out = shutil.ignore_patterns("__pycache__", ".*")
        for name in ("sfm", "cli", "pipelines"):
            shutil.copytree(ROOT / name, source / name, ignore=leave_out)
        for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
        subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True, capture_output=True)
        (wheel,) = tmp_path.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            held = {name for name in archive.namelist() if ".dist-info/" not in name}
        expected = set()
        for name, floor in FLOORS.items():
            files = [path for path in (source / floor.name).rglob("*") if path.is_file()]
            inside = [path.relative_to(source / floor.name).as_posix() for path in files]
            expected |= {f"{name.replace('.', '/')}/{path}" for path in inside}
        assert held == expected


class TestDependencies:
    def test_what_is_imported_is_declared(self):
        declared = {Requirement(text).name.lower() for text in pyproject()["project"]["dependencies"]}
        distributions = packages_distributions()
        imported = {
            name.split(".")[0]
            for floor in FLOORS.values()
            for path in floor.rglob("*.py")
            for name in imports_of(path)
        }
        foreign = imported - sys.stdlib_module_names - {"sfm"}
        undeclared = [
            name for name in foreign if not declared & {d.lower() for d in distributions.get(name, ())}
        ]
        assert sorted(undeclared) == []

    def test_every_version_is_pinned_within_its_range(self):
        pins = {}
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                name, version = line.split("==")
                pins[name] = version
        for requirement in [*requirements(), *map(Requirement, pyproject()["build-system"]["requires"])]:
            assert requirement.specifier.contains(pins[requirement.name]), requirement

    def test_architecture_says_why_each_is_there(self):
        text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        reasons = dict(re.findall(r"^\| `([\w.-]+)` +\| +(.+?) +\|$", text, flags=re.MULTILINE))
        missing = [r.name for r in requirements() if len(reasons.get(r.name, "").split()) < 3]
        assert missing == []


def test_documents_refer_to_files_that_exist():
    missing = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = document.read_text(encoding="utf-8")
        links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if ":" not in link]
        named = re.findall(r"`((?:sfm|cli|pipelines|tests|docs|examples|benchmarks)/[\w./-]*)`", text)
        missing += [(document.name, link) for link in links if not (document.parent / link).exists()]
        missing += [(document.name, n) for n in named if "NAME" not in n and not (ROOT / n).exists()]
    assert missing == []


def test_nothing_in_the_repository_depends_on_one_machine():
    homes = re.compile(r"(?<![\w.])(?:/home/\w|/Users/\w|[A-Z]:\\Users\\)")
    here = [str(folder) for folder in (ROOT, Path.home()) if len(folder.parts) > 1]
    own = [name for name, text in tracked_texts() if homes.search(text) or any(f"{h}/" in text for h in here)]
    assert [name for name in own if name != Path(__file__).relative_to(ROOT).as_posix()] == []
