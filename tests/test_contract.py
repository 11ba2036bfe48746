"""dvc.yaml says what the stages do: no undeclared code, no undeclared param, nothing that breaks the run cache."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from imports import ROOT, local_imports
from ruamel.yaml import YAML

from movierec.metrics import DEPTH
from movierec.params import SCHEMA
from movierec.recipe import RECIPE

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES = PIPELINE["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")


# Functions that are given a stage's params whole, and where they read them.
HANDED_ON = {"make_model": "movierec/recipe.py", "check_feasible": "movierec/feasible.py"}


def script(stage):
    return ROOT / "stages" / f"{stage.replace('-', '_')}.py"


def outs(stage, key="outs"):
    """Each output's path and its options."""
    return [next(iter(out.items())) if isinstance(out, dict) else (out, {}) for out in STAGES[stage].get(key, [])]


def params_read(path):
    """The keys that a script asks `_stage.params` for, and the attributes that it then uses."""
    tree = ast.parse(path.read_text())
    asked, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_stage.params":
            for arg in node.args:
                asked |= set(RECIPE) if ast.unparse(arg) == "*RECIPE" else {ast.literal_eval(arg)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) in HANDED_ON:
            used |= attributes_read(ast.parse((ROOT / HANDED_ON[ast.unparse(node.func)]).read_text()))
    return asked, used | attributes_read(tree)


def attributes_read(tree):
    """What a script reads of its `params`."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params"}


def test_the_stages_and_their_scripts_are_the_same_set():
    scripts = {path.name for path in (ROOT / "stages").glob("*.py")} - {"_stage.py"}
    assert scripts == {script(stage).name for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_described_and_runs_its_own_script(stage):
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"] == f"python stages/{script(stage).name}"


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_that_a_stage_runs_is_exactly_what_it_depends_on(stage):
    code = {str(path.relative_to(ROOT)) for path in local_imports(script(stage)) | {script(stage)}}
    # A module that has a file of its own name beside it reads that.
    code |= {path for path in (str(Path(module).with_suffix(".html")) for module in code) if (ROOT / path).exists()}
    assert {dep for dep in STAGES[stage]["deps"] if dep.startswith(("movierec/", "stages/"))} == code


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage):
    assert {path.name for path in local_imports(script(stage)) if path.parent.name == "stages"} == {"_stage.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_params_declared_read_and_used_are_the_same(stage):
    asked, used = params_read(script(stage))
    assert set(STAGES[stage].get("params", [])) == asked == used
    assert asked <= set(PARAMS)


def test_every_param_is_read_by_a_stage():
    assert set(PARAMS) == {param for stage in STAGES.values() for param in stage.get("params", [])}


def test_the_highest_cutoff_is_the_depth_of_the_stored_rankings():
    assert SCHEMA["cutoffs"].each.high == DEPTH


def test_params_are_flat_and_lists_are_in_block_style():
    # `dvc exp run -S` rewrites a list in flow style, and its comments are lost.
    assert all(not isinstance(value, dict) for value in PARAMS.values())
    assert "[" not in "".join(line.split("#")[0] for line in (ROOT / "params.yaml").read_text().splitlines())


@pytest.mark.parametrize("stage", ["baselines", "train", "newcomers"])
def test_slow_stages_have_cached_outputs_only(stage):
    assert all(options.get("cache", True) for _, options in outs(stage))
    assert not outs(stage, "metrics") and not outs(stage, "plots")


def test_data_that_a_stage_depends_on_is_another_stages_output():
    made = {path for stage in STAGES for path, _ in outs(stage)}
    for stage in STAGES.values():
        assert {dep for dep in stage["deps"] if not dep.startswith(("movierec/", "stages/"))} <= made | {"${data_path}"}


@pytest.mark.parametrize("stage", ["build-graph", "baselines", "train", "newcomers"])
def test_what_is_fitted_never_sees_the_test_set(stage):
    assert "data/split/test.parquet" not in STAGES[stage]["deps"]


def test_only_the_library_files_that_should_know_of_dgl_and_dvc_do():
    for path in [*(ROOT / "movierec").glob("*.py"), *(ROOT / "stages").glob("*.py")]:
        tops = {node.names[0].name.split(".")[0] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)}
        assert "dvc" not in tops
        assert "dgl" not in tops or path.name == "graph.py"


@pytest.mark.parametrize("plot", [plot for plot in PIPELINE["plots"] if isinstance(plot, dict)], ids=lambda plot: next(iter(plot)))
def test_each_plot_has_title_and_labels_and_its_file_has_its_columns(plot):
    (options,) = plot.values()
    assert options["title"] and options["x_label"] and options["y_label"]
    for file, columns in options["y"].items():
        header = pd.read_csv(ROOT / file, nrows=0).columns
        assert {options["x"], *([columns] if isinstance(columns, str) else columns)} <= set(header)


def test_each_plot_file_and_metric_file_is_there_and_git_tracks_it():
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    uncached = {path for stage in STAGES for key in ("outs", "metrics") for path, options in outs(stage, key) if not options.get("cache", True)}
    plots = {plot if isinstance(plot, str) else next(iter(next(iter(plot.values()))["y"])) for plot in PIPELINE["plots"]}
    assert plots == {path for path in uncached if path.startswith("plots/")}, "each is drawn, and each has its stage"
    assert all(any(file == path or file.startswith(f"{path}/") for file in tracked) for path in uncached)
    assert not [path for path in tracked if path.startswith("data/") and not path.endswith("README.md")]


@pytest.mark.parametrize("plot", [plot for plot in PIPELINE["plots"] if isinstance(plot, dict)], ids=lambda plot: next(iter(plot)))
def test_each_plots_template_is_the_projects_own_and_knows_its_columns(plot):
    (options,) = plot.values()
    template = json.loads((ROOT / f".dvc/plots/{options['template']}.json").read_text())
    (file,) = options["y"]
    header = set(pd.read_csv(ROOT / file, nrows=0).columns)
    fields = set(re.findall(r'"field": "([a-z]+)"', json.dumps(template))) - {"rev", "row"}
    assert fields <= header
    assert template["data"] == {"values": "<DVC_METRIC_DATA>"} and template["title"]["text"] == "<DVC_METRIC_TITLE>"


@pytest.fixture
def committed_run():
    """Skips where params.yaml was changed: what is checked is that the committed run is the committed code's."""
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "params.yaml"], cwd=ROOT).returncode:
        pytest.skip("params.yaml differs from the committed one")


def test_the_lock_file_belongs_to_this_code_and_these_params(committed_run):
    command = [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Running stage" not in done.stdout, done.stdout + done.stderr


def test_the_reference_run_beats_every_baseline(committed_run):
    least = json.loads((ROOT / "metrics/test/ndcg@20_model_minus_low.json").read_text())
    assert set(least) >= {"EASE", "item-kNN", "popularity"} and min(least.values()) > 0, "even the low end of each interval is above 0"
