"""What a kill leaves in DVC's own files, and what only looks like it."""

import json
import os
import subprocess
import sys

import pytest
from mending import mend_lock, mend_rwlock

from movierec.utils.errors import UserError

PIPELINE = """stages:
  own:
    cmd: echo own
  train:
    cmd: train
    deps:
    - data/in
    params:
    - lr
    outs:
    - data/out
    metrics:
    - score.json
"""
ITEM = "    - path: {}\n      hash: md5\n      md5: 0123{}\n      size: 12\n"
FOLDER = ITEM.format("data/out", ".dir") + "      nfiles: 10\n"
OWN = "  own:\n    cmd: echo own\n"
TRAIN = "  train:\n    cmd: train\n    deps:\n" + ITEM.format("data/in", "") + "    params:\n      params.yaml:\n"
TRAIN += "        lr: 0.01\n    outs:\n" + FOLDER + ITEM.format("score.json", "")
FOLDER_LAST = TRAIN.replace(FOLDER, "") + FOLDER
HEAD = "schema: '2.0'\nstages:\n"
WHOLE = HEAD + OWN + TRAIN


@pytest.fixture
def lock(tmp_path):
    """The dvc.lock of a repository whose last commit has WHOLE."""
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    commit = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "run"]
    for command in (["init", "-q"], ["add", "-A"], commit):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path / "dvc.lock"


def mended(lock, text):
    lock.write_text(text)
    mend_lock(lock)
    return lock.read_text()


@pytest.mark.parametrize("whole", [WHOLE, HEAD + TRAIN + OWN, HEAD + OWN + FOLDER_LAST])
def test_a_cut_at_any_byte_is_mended(lock, whole):
    lock.write_text(whole)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@l", "commit", "-qam", "x"], cwd=lock.parent)
    for length in range(len(whole)):
        assert mended(lock, whole[:length]) == whole, f"cut at {length}: {whole[:length][-40:]!r}"


def test_what_is_whole_stays_though_it_is_not_committed(lock):
    new = OWN.replace("echo own", "echo new")
    assert mended(lock, HEAD + new + TRAIN[:-5]) == HEAD + new + TRAIN
    assert mended(lock, HEAD + new + TRAIN.replace("0.01", "0.02")[:150]) == HEAD + new + TRAIN


def test_without_a_commit_of_the_lock_what_is_cut_runs_again(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    assert mended(tmp_path / "dvc.lock", WHOLE[:-5]) == HEAD + OWN
    (tmp_path / "dvc.lock").write_text(HEAD)
    mend_lock(tmp_path / "dvc.lock")
    assert not (tmp_path / "dvc.lock").exists()


@pytest.mark.parametrize(
    "legal",
    [
        HEAD + TRAIN.replace("0.01", "0.02") + OWN,
        WHOLE.replace("echo own", "'echo: own'"),
        HEAD + TRAIN + OWN.replace("own", "added"),
        HEAD + TRAIN.replace(ITEM.format("data/in", ""), "    - path: s3://b/in\n      etag: x\n      size: 1\n") + OWN,
        "schema: '2.0'\ndatasets:\n- name: d\nstages:\n" + OWN,
        "# by hand\n" + WHOLE,
        '{"schema": "2.0", "stages": {"own": {"cmd": "echo own"}}}',
    ],
)
def test_a_legal_lock_is_taken_for_no_cut_one(lock, capsys, legal):
    if "added" in legal:
        lock.with_name("dvc.yaml").write_text(PIPELINE.replace("own", "added"))
    assert mended(lock, legal) == legal and capsys.readouterr().out == ""


def test_the_marks_of_a_merge_conflict_stop_with_the_ways_out(lock):
    marked = HEAD + "<<<<<<< HEAD\n" + OWN + "=======\n" + OWN.replace("own", "new") + ">>>>>>> other\n" + TRAIN
    with pytest.raises(UserError, match=r"^dvc.lock has the marks .* `git checkout --ours dvc.lock` or `git"):
        mended(lock, marked)
    assert lock.read_text() == marked


def held_by(pid, command):
    return json.dumps({"write": {"data/out": {"pid": pid, "cmd": command}}, "read": {}})


def test_a_list_of_locks_that_is_cut_off_or_of_the_dead_is_deleted(tmp_path):
    rwlock = tmp_path / "rwlock"
    mend_rwlock(rwlock)
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "repro"])
    try:
        for text in ("{}", held_by(sleeping.pid, "/bin/dvc repro")):
            rwlock.write_text(text)
            mend_rwlock(rwlock)
            assert rwlock.read_text() == text
        sleeping.kill()
        os.waitid(os.P_PID, sleeping.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        texts = (
            held_by(sleeping.pid, "/bin/dvc repro"),
            held_by(os.getpid(), "/bin/dvc another"),
            "",
            '{"write": {"da',
        )
        for text in texts:
            rwlock.write_text(text)
            mend_rwlock(rwlock)
            assert not rwlock.exists(), text
    finally:
        sleeping.kill()
        sleeping.wait()
