"""`make verify`: what its table says of equal and of different hashes."""

import sys

import pytest
from imports import ROOT
from stage_runner import STAGES

sys.path.insert(0, str(ROOT / "tools"))
import verify  # noqa: E402

SAME = dict.fromkeys(STAGES, "0" * 32)


@pytest.mark.parametrize(
    ("one", "other", "committed", "code", "says"),
    [
        (SAME, SAME, SAME, 0, "All bytes are the same."),
        (SAME, SAME | {"train": "1" * 32}, SAME, 1, "The two clones differ in train."),
        (SAME, SAME, SAME | {"split": "1" * 32}, 0, "The two clones agree; the committed run differs in split: it was made on another processor, or from another archive."),
        (SAME, {stage: of for stage, of in SAME.items() if stage != "page"}, None, 1, "The two clones differ in page."),
    ],
)  # fmt: skip
def test_the_table_and_the_exit_code_say_which_stages_differ(capsys, one, other, committed, code, says):
    found = dict(zip(verify.CIRCUMSTANCES, (one, other))) | ({"committed": committed} if committed else {})
    assert verify.show(found) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == says and sum("differs" in line for line in lines[:-1]) == (says != "All bytes are the same.")


def test_a_stages_hash_is_of_its_outputs_and_nothing_else(tmp_path):
    lock = "stages:\n  a:\n    cmd: {cmd}\n    outs:\n    - path: x\n      md5: {md5}\n"
    found = []
    for cmd, md5 in (("one", "1"), ("two", "1"), ("one", "2")):
        (tmp_path / "dvc.lock").write_text(lock.format(cmd=cmd, md5=f"'{md5}'"))
        found.append(verify.stages(tmp_path / "dvc.lock")["a"])
    assert found[0] == found[1] != found[2]
