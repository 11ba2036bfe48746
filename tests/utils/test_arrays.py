"""Arrays in files, and writes that are complete or leave what was there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movierec.utils import arrays
from movierec.utils.errors import UserError


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("inner", ["", "a"], ids=["file", "folder"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError])
def test_a_failed_write_leaves_the_previous_content_and_nothing_else(tmp_path, inner, error):
    path = tmp_path / "out"

    def write(content, error=None):
        with arrays.replacing(path) as partial:
            if inner:
                partial.mkdir()
            (partial / inner).write_text(content)
            if error:
                raise error

    write("complete")
    with pytest.raises(error):
        write("half", error)
    assert [p.name for p in tmp_path.iterdir()] == ["out"] and (path / inner).read_text() == "complete"


def test_a_folder_replaces_the_previous_one_with_all_its_files(tmp_path):
    for name in ("1", "2"):
        with arrays.replacing(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert files_in(tmp_path) == ["out/2"]


def test_what_an_interrupted_write_left_is_removed(tmp_path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial/x").touch()
    with arrays.replacing(tmp_path / "out") as partial:
        assert not partial.exists()
        partial.write_text("new")
    assert files_in(tmp_path) == ["out"]


def test_a_temporary_path_need_not_be_kept(tmp_path):
    (tmp_path / "x").write_text("previous")
    with arrays.replacing(tmp_path / "x", keep=False) as partial:
        partial.write_text("scratch")
        assert partial.parent == tmp_path
    assert files_in(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "previous"


def test_removing(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "none", "none/none"):
        arrays.remove(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_no_flipped_bit_of_arrays_is_another_error(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(2), b="text")
    data = (tmp_path / "x.npz").read_bytes()
    refused = 0
    for bit in range(8 * len(data)):
        (tmp_path / "x.npz").write_bytes(
            data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]
        )
        try:
            arrays.read_arrays(tmp_path / "x.npz")
        except UserError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 4 * len(data)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="allow_pickle"):
        arrays.read_arrays(tmp_path / "x.npz")


def test_nothing_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(2**20))
    with pytest.raises(UserError, match=r"x\.npz cannot be read \(x\.npy is compressed\)"):
        arrays.read_arrays(tmp_path / "x.npz")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_are_stored_in_the_size_that_they_have(texts):
    packed = arrays.pack_text("t", texts)
    assert arrays.unpack_text("t", packed).tolist() == texts
    assert sum(array.nbytes for array in packed.values()) == sum(len(text.encode()) + 8 for text in texts)


@pytest.mark.parametrize("ends", [[1, 0, 3], [1, 4], [1, 2], [-1, 3], [2**62, -(2**63), -(2**62), 0, 3]])
def test_ends_that_do_not_fit_are_an_error(ends):
    with pytest.raises(ValueError, match="t is no list of texts"):
        arrays.unpack_text("t", arrays.pack_text("t", ["a", "bc"]) | {"t.ends": np.array(ends)})
