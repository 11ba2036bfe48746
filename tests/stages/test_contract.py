"""dvc.yaml and the stages agree: no undeclared code or data, and nothing that turns the run cache off."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from imports import ROOT, STAGE_SCRIPTS, dependency, local_imports
from pathspec import GitIgnoreSpec
from ruamel.yaml import YAML
from stage_runner import STAGES, outputs

from movierec.datasets.releases import LAYOUTS
from movierec.ranking.metrics import DEPTH
from movierec.utils.params import Params, param_names

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
PLOTS, METRICS = PIPELINE["plots"], PIPELINE["metrics"]
PICTURES = [file.relative_to(ROOT).as_posix() for file in (ROOT / "plots/figures").iterdir()]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
CODE = ("movierec/", "stages/")
REQUIREMENTS = ("requirements.txt", "requirements-torch.txt")


def script(stage):
    return ROOT / "stages" / f"{stage.replace('-', '_')}.py"


def uncached(stage):
    """The outputs that Git keeps."""
    outs = [out for key in ("outs", "plots") for out in STAGES[stage].get(key, []) if isinstance(out, dict)]
    return [path for out in outs for path, options in out.items() if not options.get("cache", True)]


def test_the_stages_and_their_scripts_are_the_same_set():
    assert {path.name for path in STAGE_SCRIPTS} == {script(stage).name for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_described_and_runs_its_own_script(stage):
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"] == f"python stages/{script(stage).name}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_packages_that_it_imports(stage):
    code = {dependency(path) for path in local_imports(script(stage)) | {script(stage)}}
    assert {dep for dep in STAGES[stage]["deps"] if dep.startswith(CODE)} == code


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage):
    assert {path.name for path in local_imports(script(stage)) if path.parent.name == "stages"} == {"_stage.py"}


def test_a_new_version_of_a_library_reruns_every_stage_whose_bytes_it_decides():
    of_all, of_torch = ({stage for stage in STAGES if pinned in STAGES[stage]["deps"]} for pinned in REQUIREMENTS)
    assert STAGES.keys() - of_all == {"own-data", "download", "check"}
    load = (
        f"import sys, {', '.join(script(stage).stem for stage in of_all - of_torch)}; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", load], cwd=ROOT / "stages", check=True)
    assert of_torch == {"baselines", "train", "newcomers", "recommend", "page"}


@pytest.mark.parametrize(
    ("changed", "not_retrained"),
    [
        ("movierec/baselines.py", {"train"}),
        ("movierec/recommend", {"train", "newcomers"}),
        ("movierec/page", {"train", "newcomers"}),
        ("movierec/evaluation", {"train", "newcomers"}),
        ("movierec/data", {"train", "newcomers"}),
    ],
)
def test_what_the_model_does_not_use_does_not_retrain_it(changed, not_retrained):
    assert not not_retrained & {stage for stage in STAGES if changed in STAGES[stage]["deps"]}


def test_only_the_list_of_your_own_files_depends_on_their_folder():
    assert [stage for stage in STAGES if "${" in json.dumps(STAGES[stage])] == ["own-data"]


def test_dvc_ignores_all_but_tables_in_the_folder_for_your_own_data():
    ignored = GitIgnoreSpec.from_lines((ROOT / ".dvcignore").read_text().splitlines()).match_file
    patterns = [pattern for layout in LAYOUTS.values() for pattern in layout.files]
    names = [pattern.replace("*", "x") for pattern in patterns if not pattern.endswith(".*")]
    names += [pattern.replace("*", end) for pattern in patterns for end in ("csv", "parquet") if pattern.endswith(".*")]
    assert [name for name in names if ignored(f"data/own/{name}")] == []
    assert not ignored("data/own/interactions.csv.dvc") and not ignored("data/own/items.parquet/part-0.parquet")
    strays = ["README.md", ".DS_Store", "Thumbs.db", "._x.inter", ".~lock.items.csv#", "x.txt", "interactions.csv.bak"]
    assert [name for name in strays if not ignored(f"data/own/{name}")] == []


def test_each_param_is_declared_by_a_stage_and_each_declared_one_is_in_params_yaml():
    declared = {param for stage in STAGES.values() for param in stage.get("params", [])}
    names = set(param_names())
    covered = {name for name in names if declared & {name, name.split(".")[0]}}
    assert covered == names
    assert declared <= names | {name.split(".")[0] for name in names}
    assert {f"{key}.{name}" for key, of in PARAMS.items() if isinstance(of, dict) for name in of} | {
        key for key, of in PARAMS.items() if not isinstance(of, dict)
    } == names


def test_params_are_nested_at_most_once_and_lists_are_in_block_style():
    assert max(name.count(".") for name in param_names()) == 1
    # `dvc exp run -S` rewrites a list in flow style, and its comments are lost.
    assert "[" not in "".join(line.split("#")[0] for line in (ROOT / "params.yaml").read_text().splitlines())


def test_the_highest_cutoff_is_the_depth_of_the_stored_rankings():
    assert Params.model_json_schema()["properties"]["cutoffs"]["items"]["maximum"] == DEPTH


@pytest.mark.parametrize("stage", ["baselines", "train", "newcomers", "recommend", "page"])
def test_slow_stages_have_cached_outputs_only(stage):
    assert uncached(stage) == []


def test_the_figures_are_plots_of_their_stage_which_leave_the_run_cache_on():
    assert STAGES["draw"]["plots"] == [{"plots/figures": {"cache": False}}]
    assert not [out for out in STAGES["draw"].get("outs", []) if isinstance(out, dict)]


def test_data_that_a_stage_depends_on_is_another_stages_output():
    made = {out for stage in STAGES for out in outputs(stage)} | {"${data_path}", *REQUIREMENTS}
    for stage in STAGES.values():
        data = [dep for dep in stage["deps"] if not dep.startswith(CODE)]
        assert [dep for dep in data if not made & {dep, *map(str, Path(dep).parents)}] == []


@pytest.mark.parametrize("stage", ["check", "build-graph", "baselines", "train", "newcomers"])
def test_nothing_that_is_fitted_sees_the_test_set(stage):
    assert [dep for dep in STAGES[stage]["deps"] if "data/test".startswith(dep) or dep.startswith("data/test")] == []


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: next(iter(plot)))
def test_each_plot_has_title_and_labels_and_its_file_has_its_columns(plot):
    (options,) = plot.values()
    title, sentence = options["title"].splitlines()  # the page shows the sentence below the plot
    assert 0 < len(title) <= 45 and sentence.endswith(".") and options["x_label"] and options["y_label"]
    for file, columns in options["y"].items():
        header = pd.read_csv(ROOT / file, nrows=0).columns
        assert {options["x"], *([columns] if isinstance(columns, str) else columns)} <= set(header)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: next(iter(plot)))
def test_each_plots_template_is_the_projects_own_and_knows_its_columns(plot):
    (options,) = plot.values()
    template = json.loads((ROOT / f".dvc/plots/{options['template']}.json").read_text())
    (file,) = options["y"]
    fields = set(re.findall(r'"field": "([a-z]+)"', json.dumps(template))) - {"rev", "row"}
    assert fields <= set(pd.read_csv(ROOT / file, nrows=0).columns)
    assert template["data"] == {"values": "<DVC_METRIC_DATA>"}
    assert template["title"]["text"] == "<DVC_METRIC_TITLE>"


def test_each_picture_has_a_sentence_on_the_page():
    page = (ROOT / ".dvc/plots.html").read_text(encoding="utf-8")
    pictures = [re.sub(r"[/.]", "_", picture) for picture in PICTURES]
    assert sorted(re.findall(r'^  (\w+_png): "[^"]+\.",$', page, re.MULTILINE)) == sorted(pictures)


def test_every_metric_that_is_shown_is_a_file_of_a_stage_and_the_first_is_the_main_one():
    made = [out for stage in STAGES for out in uncached(stage)]
    assert [path for path in METRICS if str(Path(path).parent) not in made or not (ROOT / path).exists()] == []
    assert METRICS[0] == "metrics/test/ndcg@20.json" and len(METRICS) == 10


def test_the_trained_model_is_an_artifact():
    (artifact,) = PIPELINE["artifacts"].values()
    assert (artifact["type"], artifact["path"]) == ("model", "models/model.npz")
    assert artifact["path"] in outputs("train")


def test_git_tracks_each_plot_and_metric_and_no_data():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = set(listed.stdout.splitlines())
    kept = {path for stage in STAGES for path in uncached(stage)}
    files = {path for path in tracked if kept & {path, *map(str, Path(path).parents)}}
    drawn = {next(iter(next(iter(plot.values()))["y"])) for plot in PLOTS}
    assert drawn | {*PICTURES} == {path for path in files if path.startswith("plots/")}
    assert all(any(path == out or path.startswith(f"{out}/") for path in tracked) for out in kept)
    assert not [path for path in tracked if path.startswith("data/") and not path.endswith("README.md")]


def test_a_clone_that_converts_line_ends_has_the_same_bytes(tmp_path):
    names = ("tools/make_venv.sh", "stages/_stage.py", "params.yaml", "docs/images/map.png")
    for name in (".gitattributes", *names):
        (tmp_path / "start" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "start" / name)
    commit = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "start"]
    clone = ["clone", "-q", "-c", "core.autocrlf=true", ".", str(tmp_path / "clone")]
    for command in (["init", "-q"], ["add", "-A"], commit, clone):
        subprocess.run(["git", *command], cwd=tmp_path / "start", check=True)
    assert all((tmp_path / "clone" / name).read_bytes() == (ROOT / name).read_bytes() for name in names)
