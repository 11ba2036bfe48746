"""The parts of messages that modules share."""

import errno

import pytest

from movierec.utils.errors import cannot_write, did_you_mean


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
