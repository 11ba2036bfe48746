"""The structure of the code: packages along the flow of data, short files and functions, a test file per module."""

import ast
from graphlib import TopologicalSorter

import pytest
from imports import LIBRARY, ROOT, STAGE_SCRIPTS, files_of, modules

# A package imports only from those above it, and from itself.
FLOORS = [
    {"utils", "interactions"},
    {"datasets", "ranking"},
    {"data", "baselines.py", "model", "evaluation"},
    {"recommend"},
    {"page", "serve", "update.py"},
    {"command_line.py"},
]
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
BELOW_ALL = {"interactions": {"utils"}}  # the one import within a floor
FOUNDATIONS = {"__init__.py", "__main__.py"}
MODULES = [path for path in LIBRARY if path.name not in FOUNDATIONS]


def name_of(path):
    return str(path.relative_to(ROOT))


def package_of(path):
    return path.relative_to(ROOT / "movierec").parts[0]


def imported_from_the_library(path):
    """The library's own files that a file imports directly, without the packages' `__init__.py`."""
    found = {file for module in modules(path) for file in files_of(module, path.parent)}
    return {file for file in found if file in LIBRARY and file.name != "__init__.py"} - {path}


def of_type(path, kind):
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kind)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_only_downward(path):
    package = package_of(path)
    allowed = {below for below in FLOOR if FLOOR[below] < FLOOR[package]} | {package} | BELOW_ALL.get(package, set())
    assert {package_of(file) for file in imported_from_the_library(path)} <= allowed


def test_there_is_no_import_cycle():
    TopologicalSorter({path: imported_from_the_library(path) for path in MODULES}).prepare()


def test_the_packages_are_few_and_loosely_coupled():
    arrows = {(package_of(path), package_of(file)) for path in MODULES for file in imported_from_the_library(path)}
    arrows |= {("stages", package_of(file)) for path in STAGE_SCRIPTS for file in imported_from_the_library(path)}
    assert len({pair for pair in arrows if pair[0] != pair[1]}) <= 50


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    long = [node.name for node in of_type(path, ast.FunctionDef) if node.end_lineno - node.lineno >= 60]
    assert long == []


@pytest.mark.parametrize("path", STAGE_SCRIPTS, ids=name_of)
def test_a_stage_has_15_to_45_lines(path):
    assert 15 <= len(path.read_text(encoding="utf-8").splitlines()) <= 45


@pytest.mark.parametrize("path", [*LIBRARY, *STAGE_SCRIPTS], ids=name_of)
def test_more_than_four_arguments_are_passed_by_name(path):
    calls = [ast.unparse(call) for call in of_type(path, ast.Call) if len(call.args) > 4]
    assert [call for call in calls if "Loss.apply(" not in call] == []  # torch's autograd has no others


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_has_a_test_file_of_its_name(path):
    mirrored = (ROOT / "tests" / path.relative_to(ROOT / "movierec")).with_name(f"test_{path.name}")
    assert "def test_" in mirrored.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("dgl", {"movierec/model/graph.py"}),
        ("torch.distributed", {"movierec/utils/distributed.py"}),
        ("duckdb", {"movierec/data/engine.py"}),
        ("dvc", set()),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(library, only):
    users = [
        name_of(path)
        for path in [*LIBRARY, *STAGE_SCRIPTS]
        if any(module == library or module.startswith(f"{library}.") for module in modules(path))
    ]
    assert set(users) == only


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_no_private_name_of_torch_or_dgl_is_used(path):
    private = [ast.unparse(node) for node in of_type(path, ast.Attribute) if node.attr.startswith("_")]
    assert [name for name in private if name.startswith(("torch.", "dgl.", "optimizer.", "schedule."))] == []
