"""The error that is shown to the person who runs the project."""

import difflib
import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

# What must not reach a terminal from data: escape sequences, other control characters, and marks of text direction.
UNPRINTABLE = (
    "\x1b\\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
FORMULA = r"^[=+\-@\t\r]"  # how a cell begins that a spreadsheet takes for a formula
LINE_ENDS = "[\t-\r\x85\u2028\u2029]+"  # and tabs: blanks in a title


class UserError(Exception):
    """An error that the person running the project can fix.

    The message names the file, line, key or value at fault and what to do next. Stages print it as one line and exit
    with code 1; any other exception is a bug and shows its traceback.
    """


def cannot_write(path: object, error: OSError) -> str:
    """The message for a file or folder that the system refuses: full disk, missing permission and the like."""
    reason = os.strerror(error.errno) if error.errno else error  # some libraries put more into the error's own text
    way_out = "free some space or fix the permissions"
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY):
        way_out = "a file and a folder are in each other's place: move it away"
    return f"{path or 'a file'}: {reason}; {way_out}, then run it again."


def check_is_file(path: Path) -> None:
    """A UserError if a folder, a pipe or a device lies where a file should; reading a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a file; move it away, then run it again.")


def printable(text: str) -> str:
    """A text on one line, without what could change a terminal."""
    return re.sub(UNPRINTABLE, "", re.sub(LINE_ENDS, " ", text))


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about an unknown word: the closest known one, or `otherwise`."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else otherwise
