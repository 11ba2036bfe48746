"""`make verify CPU=...`: its data, and the comparison of files."""

import emulate
import pytest

from movierec.utils.errors import UserError


def test_the_data_are_the_first_users_of_movielens_100k(tmp_path, monkeypatch):
    def fetch(release, archives, folder, say):
        rows = [f"{user}\t7\t5\t1\n" for user in (1, 150, 151, 2)]
        (folder / "u.data").write_text("".join(rows))
        (folder / "u.item").write_text("7|A film\n")

    monkeypatch.setattr(emulate, "fetch_release", fetch)
    folder = emulate.small_data(tmp_path)
    assert [line.split()[0] for line in (folder / "u.data").read_text().splitlines()] == ["1", "150", "2"]
    assert (folder / "u.item").read_text() == "7|A film\n"


@pytest.mark.parametrize(("there", "code"), [({"a": "1", "b": "2"}, 0), ({"a": "1", "b": "3"}, 1)])
def test_files_with_other_bytes_are_named(monkeypatch, capsys, there, code):
    monkeypatch.setattr(emulate.sys, "argv", ["emulate.py", "amd"])
    monkeypatch.setattr(emulate.shutil, "which", lambda name: name)
    monkeypatch.setattr(emulate, "small_data", lambda scratch: scratch)
    monkeypatch.setattr(emulate, "run", lambda project, prefix, data: there if prefix else {"a": "1", "b": "2"})
    assert emulate.main() == code
    said = capsys.readouterr().out
    assert ("differs: b" in said) == bool(code) and f"{2 - code} of 2 files have the same bytes" in said


def test_without_the_emulator_its_package_is_named(monkeypatch):
    monkeypatch.setattr(emulate.sys, "argv", ["emulate.py", "amd"])
    monkeypatch.setattr(emulate.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="apt-get install qemu-user"):
        emulate.main()
