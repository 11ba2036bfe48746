"""The example in one file, on MovieLens 100K."""

import re
import subprocess
import sys

from imports import ROOT

SCRIPT = ROOT / "examples/one_file.py"


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_the_example_learns_and_ranks_better_than_its_first_epoch(ml_100k):
    done = run(str(ml_100k))
    assert done.returncode == 0, done.stderr
    assert "943 users" in done.stdout
    losses = [float(loss) for loss in re.findall(r"loss (\d\.\d{4})", done.stdout)]
    valid = [float(ndcg) for ndcg in re.findall(r"validation NDCG@20 (0\.\d{4})", done.stdout)]
    (test,) = re.findall(r"^test NDCG@20 (0\.\d{4})$", done.stdout, re.MULTILINE)
    assert losses == sorted(losses, reverse=True)
    assert valid[-1] > valid[0]
    assert float(test) > 0.35  # popularity: 0.19


def test_the_example_is_short():
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 120


def test_a_folder_without_data_is_one_line(tmp_path):
    done = run(str(tmp_path))
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr and len(done.stderr.splitlines()) == 1
