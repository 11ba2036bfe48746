"""A data set of one's own: which of a folder's files it has, their copy, and places where it may not lie."""

import hashlib

import pytest

from movierec.datasets.own_files import check_folder, copy_files, list_files, own_folder
from movierec.utils.errors import UserError

PIPELINE = """stages:
  a:
    cmd: a
    outs:
    - data/raw:
        persist: true
    metrics:
    - metrics/test
    plots:
    - plots/figures:
        cache: false
"""


@pytest.fixture
def put(tmp_path):
    """A maker of folders with these files, whose content is their name."""

    def make(*names, folder="own"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(name)
        return tmp_path / folder

    return make


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "files",
    [
        ("movies.csv", "ratings.csv"),
        ("interactions.parquet",),
        ("x.inter", "x.item", "x.user"),
        ("interactions.parquet/part-0.parquet", "interactions.parquet/part-1.parquet", "items.csv"),
        ("interactions.csv", "items.parquet/part-0.parquet"),
    ],
)
def test_a_folder_of_ones_own_is_copied_without_other_files(put, files):
    beside = ["notes.txt", "README.md", ".DS_Store"]
    beside += [f"{name}{end}" for name in files for end in (".dvc", ".bak", "~")]
    parts = [f"{name.split('/')[0]}/{other}" for name in files if "/" in name for other in ("_SUCCESS", ".x.crc")]
    own, copy = put(*files, *beside, *parts), put(folder="copy")
    listed = list_files(own)
    assert listed == {name: {"size": len(name), "md5": hashlib.md5(name.encode()).hexdigest()} for name in files}
    copy_files(own, listed, copy)
    assert files_in(copy) == {name: name for name in files}


@pytest.mark.parametrize("name", ["interactions", "items"])
def test_two_files_for_one_table_are_named(put, name):
    own = put("interactions.csv", f"{name}.csv", f"{name}.parquet")
    with pytest.raises(UserError, match=rf"own must hold one {name}\.\* file, but holds {name}.csv, {name}.parquet; "):
        list_files(own)


@pytest.mark.parametrize("other", ["year=2020/part-0.parquet", "part-1.csv", "part-1"])
def test_a_table_in_parts_with_something_else_in_it_is_refused(put, other):
    own = put("interactions.parquet/part-0.parquet", f"interactions.parquet/{other}")
    named = other.split("/")[0]
    with pytest.raises(UserError, match=f"own/interactions.parquet must hold Parquet files alone, but holds {named};"):
        list_files(own)


def test_a_folder_without_data_is_named(put, tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    with pytest.raises(UserError, match=f"'{tmp_path}/none' is not a folder; set it in params.yaml"):
        check_folder(tmp_path / "none", tmp_path, tmp_path / "dvc.yaml")
    put("interactions.csv.dvc", "items.csv", "interactions.parquet/_SUCCESS", "interactions.csv/part-0.csv")
    with pytest.raises(UserError, match=f"^{tmp_path}/own holds no data set in a known layout"):
        list_files(tmp_path / "own")


@pytest.mark.parametrize("change", [lambda path: path.write_text("other"), lambda path: path.unlink()])
def test_a_file_that_has_changed_since_it_was_listed_is_named(put, change):
    own, copy = put("interactions.csv"), put(folder="copy")
    listed = list_files(own)
    change(own / "interactions.csv")
    with pytest.raises(UserError, match=r"own/interactions\.csv has changed since own-data listed it; run `dvc repro`"):
        copy_files(own, listed, copy)


def test_a_folder_with_data_comes_before_that_of_the_project(put, tmp_path):
    at_home = put("interactions.csv", folder="home")
    assert own_folder(str(tmp_path / "own"), at_home) == at_home
    assert own_folder(str(put("notes.txt")), at_home) == at_home
    assert own_folder(str(put("interactions.csv")), at_home) == tmp_path / "own"


def test_a_copy_with_a_part_of_the_files_is_refused(put):
    copy, at_home = put("interactions.csv"), put("interactions.csv", "items.csv", "notes.txt", folder="home")
    with pytest.raises(UserError, match=r"own in this copy of the project lacks items.csv, which .*home holds: track"):
        own_folder(str(copy), at_home)
    assert own_folder(str(at_home), copy) == at_home, "more than at home is another version of the data"


@pytest.mark.parametrize(
    ("spelling", "out"),
    [
        ("data/raw", "data/raw"),
        ("./data/own/../raw", "data/raw"),
        ("data/raw/mine", "data/raw"),
        ("data", "data/raw"),
        (".", "data/raw"),
        ("..", "data/raw"),
        ("metrics", "metrics/test"),
        ("plots/figures/mine", "plots/figures"),
        ("link", "data/raw"),
        ("link/mine", "data/raw"),
    ],
)
def test_a_folder_that_overlaps_with_an_output_is_refused(put, tmp_path, monkeypatch, spelling, out):
    for folder in ("data/own", "data/raw/mine", "metrics/test", "plots/figures/mine", "mine"):
        put(folder=folder)
    (tmp_path / "link").symlink_to("data/raw")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    for folder in (spelling, str(tmp_path / spelling)):
        with pytest.raises(UserError, match=f"^data_path '.*' in params.yaml overlaps with {out}, which") as error:
            check_folder(tmp_path / folder, tmp_path, tmp_path / "dvc.yaml")
        assert "\n" not in str(error.value)
    for folder in ("data/own", "mine"):
        check_folder(tmp_path / folder, tmp_path, tmp_path / "dvc.yaml")
