"""`make verify`: the table of hashes, and the conclusion."""

import pytest
import verify
from stage_runner import STAGES

SAME = dict.fromkeys(STAGES, "0" * 32)
TRAIN_DIFFERS, SPLIT_DIFFERS = SAME | {"train": "1" * 32}, SAME | {"split": "1" * 32}
WITHOUT_PAGE = {stage: of for stage, of in SAME.items() if stage != "page"}


@pytest.mark.parametrize(
    ("one", "other", "committed", "code", "message"),
    [
        (SAME, SAME, SAME, 0, "All bytes are the same."),
        (SAME, TRAIN_DIFFERS, SAME, 1, "The two clones differ in train."),
        (SAME, SAME, SPLIT_DIFFERS, 0, "The two clones agree; the committed run differs in split: "),
        (SAME, WITHOUT_PAGE, None, 1, "The two clones differ in page."),
    ],
)
def test_the_table_and_the_exit_code_show_which_stages_differ(capsys, one, other, committed, code, message):
    found = dict(zip(verify.CONDITIONS, (one, other))) | ({"committed": committed} if committed else {})
    assert verify.show(found) == code
    *table, conclusion = capsys.readouterr().out.splitlines()
    assert conclusion.startswith(message) and sum("differs" in line for line in table) == ("All" not in message)


def test_the_hash_of_a_stage_is_of_its_outputs_alone(tmp_path):
    lock = "stages:\n  a:\n    cmd: {cmd}\n    outs:\n    - path: x\n      md5: {md5}\n"
    found = []
    for cmd, md5 in (("one", "1"), ("two", "1"), ("one", "2")):
        (tmp_path / "dvc.lock").write_text(lock.format(cmd=cmd, md5=f"'{md5}'"))
        found.append(verify.stages(tmp_path / "dvc.lock")["a"])
    assert found[0] == found[1] != found[2]
