"""The parts of messages that modules share."""

import errno
import os

import pytest

from movierec.datasets.download import fetch_release
from movierec.datasets.releases import RELEASES
from movierec.utils import storage
from movierec.utils.errors import UserError, cannot_write, did_you_mean
from movierec.utils.params import read_params


@pytest.mark.parametrize(
    ("path", "error", "start"),
    [
        ("a/b.npz", OSError(errno.ENOSPC, "the library's own words"), "a/b.npz: No space left on device;"),
        ("a/b.npz", OSError("the library's own words"), "a/b.npz: the library's own words;"),
        (None, PermissionError(errno.EACCES, "x"), "a file: Permission denied;"),
    ],
)
def test_a_refused_write_is_named_with_its_reason_and_the_way_out(path, error, start):
    message = cannot_write(path, error)
    assert message.startswith(start) and message.endswith("run it again.") and "free some space" in message


@pytest.mark.parametrize(
    ("word", "end"),
    [("temprature", "did you mean 'temperature'?"), ("xyz", "known: lr, temperature"), (1, "known: lr, temperature")],
)
def test_the_closest_known_word_is_suggested(word, end):
    assert did_you_mean(word, iter(["lr", "temperature"]), "known: lr, temperature") == end


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("x.npz", storage.read_arrays),
        ("x.parquet", storage.check_table),
        ("params.yaml", read_params),
        ("ml-1m.zip", lambda path: fetch_release(RELEASES["ml-1m"], path.parent, path.parent, print)),
    ],
)
def test_a_folder_or_a_pipe_in_place_of_a_file_is_named(tmp_path, make, name, read):
    make(tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is not a file; move it away"):
        read(tmp_path / name)
