"""Experiments, sweeps, a remote and other params in the project after a run, as a person makes them."""

import csv
import functools
import json
import re
import sys

import pandas as pd
from imports import ROOT
from project import part_of, stages_run
from stage_runner import SMALL

from movierec.interactions.matrix import to_csr
from movierec.interactions.profiles import Profiles
from movierec.model.saving import unpack
from movierec.ranking.topk import MOMENTS, rank_all_users
from movierec.utils.arrays import read_arrays
from movierec.utils.storage import read_rankings


def test_another_lr_runs_the_stages_it_touches_and_going_back_trains_nothing(project):
    before = (project.folder / "dvc.lock").read_bytes()
    touched = {"train", "evaluate", "draw", "recommend", "page", "newcomers", "evaluate-newcomers"}
    assert set(stages_run(project.dvc("exp", "run", "-S", "lr=0.003"))) == touched
    changed = project.dvc("params", "diff") + project.dvc("metrics", "diff")
    assert "lr" in changed and "metrics/test/ndcg@20.json" in changed
    assert "0.003" in project.dvc("exp", "show", "--only-changed", "--csv")
    (command,) = re.findall(r"^experiments:.*\n\t@((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rows = [*csv.DictReader(project.call("bash", "-c", f"{command} --csv").splitlines())]
    of_model = [f"metrics/{part}/ndcg@20.json:model" for part in ("test", "valid")]
    assert [*rows[0]][4:7] == [*of_model, "lr"], "after the columns of the experiment itself"
    assert {row["lr"] for row in rows} == {"0.003", str(SMALL["lr"])}
    assert {float(row[of_model[1]]) for row in rows} >= {project.metric("valid", "ndcg@20")["model"]}
    back = project.dvc("exp", "run", "-S", f"lr={SMALL['lr']}")
    assert set(stages_run(back)) == {"evaluate", "evaluate-newcomers"}
    assert re.findall(r"Stage '([\w-]+)' is cached - skipping run", back).count("train") == 1
    assert (project.folder / "dvc.lock").read_bytes() == before
    assert project.call("git", "status", "--porcelain") == ""


def test_a_fresh_clone_with_a_remote_has_the_model_without_training(project, tmp_path):
    copy, storage = tmp_path / "copy", str(tmp_path / "storage")
    run = functools.partial(project.call, cwd=copy)
    try:
        project.dvc("remote", "add", "--local", "--default", "storage", storage)
        project.dvc("push")
    finally:
        (project.folder / ".dvc/config.local").unlink(missing_ok=True)
    project.call("git", "clone", "-q", str(project.folder), str(copy))
    run("dvc", "remote", "add", "--default", "storage", storage)
    run("dvc", "pull", "models/model.npz", "models/catalogue.npz")
    assert [path.name for path in sorted((copy / "models").glob("*.npz"))] == ["catalogue.npz", "model.npz"]
    question = (sys.executable, "-m", "movierec", "--like", "heat (1995)", "--top", "3", "--json")
    answer = run(*question)
    assert answer == project.call(*question) and len(json.loads(answer)["recommendations"]) == 3
    run("dvc", "pull")
    assert stages_run(run("dvc", "repro")) == []
    run("git", "config", "user.name", "t")
    run("git", "config", "user.email", "t@localhost")
    run("git", "commit", "-qam", "a remote")
    run("gto", "register", "recommender")
    project.call("dvc", "artifacts", "get", str(copy), "recommender", "--rev", "v0.0.1", cwd=tmp_path)
    assert (tmp_path / "model.npz").read_bytes() == (project.folder / "models/model.npz").read_bytes()


def test_a_queue_runs_in_temporary_copies(project):
    project.dvc("exp", "run", "--queue", "-S", "max_rejected=0.02,0.03", "evaluate")  # trains nothing
    project.dvc("queue", "start", "-j", "2")
    for _ in range(120):
        status = project.dvc("queue", "status")
        if "No experiment tasks" in status or not re.search("Queued|Running", status.split("Worker")[0]):
            break
        project.call("sleep", "1")
    assert status.count("Success") == 2, status + project.dvc("queue", "logs", status.split()[5])
    shown = project.dvc("exp", "show", "--only-changed", "--csv")
    assert "0.02" in shown and "0.03" in shown


def test_a_sweep_makes_experiments_goes_on_where_it_was_and_leaves_the_workspace_alone(project):
    (project.folder / "sweep.yaml").write_text(
        "name: s\ntrials: 2\nseed: 1\nspace:\n  lr:\n    low: 0.001\n    high: 0.05\n    log: true\n"
    )
    project.commit("a small sweep")
    first = project.call(sys.executable, "tools/sweep.py")
    assert re.findall(r"^s-(\d+)  lr ([\d.]+)  validation NDCG@20 0\.\d{4}", first, re.MULTILINE)[0] == (
        "001",
        f"{SMALL['lr']:g}",
    )
    assert first.count("validation NDCG@20") == 2 and "best on validation: s-00" in first
    second = project.call(sys.executable, "tools/sweep.py", "--trials", "3")
    assert "going on after 2 trials" in second and re.findall(r"^s-\d+", second, re.MULTILINE) == ["s-003"]
    report = project.call(sys.executable, "tools/sweep_report.py")
    assert "s: the best of 3 trials" in report and "the chosen one on test: NDCG@20 0." in report
    assert (project.folder / "plots/sweep.png").stat().st_size > 10_000
    project.call("git", "checkout", "-q", "plots/sweep.png")
    assert project.call("git", "status", "--porcelain") == ""
    project.dvc("exp", "branch", "s-003", "third")
    assert "lr" in project.call("git", "diff", "HEAD", "third", "--", "params.yaml")
    log = (project.folder / ".dvc/tmp/sweep/s-002.log").read_text()
    assert stages_run(log) == ["train", "evaluate"], "nothing before training, and no stage that a sweep does not read"


def test_a_sweep_of_trials_that_fail_says_why_and_stops(project):
    (project.folder / "sweep.yaml").write_text("name: f\ntrials: 2\nseed: 1\nspace:\n  device:\n    choices: [cuda]\n")
    once = "import sys; sys.path.insert(0, 'tools'); import sweep; sweep.MAX_FAILURES = 1; sys.exit(sweep.run_here())"
    output = project.call(sys.executable, "-c", once, ok=False)
    assert "f-001  device cuda  failed after" in output and "torch sees no CUDA device here; set it to cpu." in output
    assert "make sweep: 1 trials in a row failed" in output and "Traceback" not in output
    assert "no trial named f-... belongs to the current commit" in project.call(
        sys.executable, "tools/sweep_report.py", ok=False
    )
    project.call("git", "checkout", "-q", ".")


def test_what_is_known_of_a_user_at_test_is_a_param(project):
    before = read_rankings(project.folder / "data/rankings/model.npz")["model"]
    said = project.dvc("exp", "run", "-S", "history=train+valid", "evaluate", "evaluate-newcomers")
    assert "Known of each user at test: train and validation." in said
    assert "Known of each user: train and validation." in (project.folder / "metrics/model_card.md").read_text()
    ranked, stored = (read_arrays(project.folder / name) for name in ("data/rankings/model.npz", "models/model.npz"))
    assert (ranked["model.after_train"] == before["after_train"]).all(), "validation is ranked from train"
    model = unpack(stored, "model.npz").model
    parts = [pd.read_parquet(project.folder / part_of(part)) for part in MOMENTS["after_valid"]]
    shape = (model.graph.n_users, model.graph.n_items)
    profiles = Profiles.from_interactions(*shape, parts, rating_power=1.0)
    expected = rank_all_users(model.scorer(profiles), to_csr(pd.concat(parts), *shape))[0]
    assert (ranked["model.after_valid"] == expected).all() and (expected != before["after_valid"]).any()
    project.call("git", "checkout", "-q", ".")
    project.dvc("checkout")
