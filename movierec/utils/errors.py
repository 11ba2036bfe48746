"""The error that is shown to the person who runs the project."""

import difflib
import os
from collections.abc import Iterable


class UserError(Exception):
    """An error that the person running the project can fix.

    The message names the file, line, key or value at fault and what to do next. Stages print it as one line and exit
    with code 1; any other exception is a bug and shows its traceback.
    """


def cannot_write(path: object, error: OSError) -> str:
    """The message for a file or folder that the system refuses: full disk, missing permission and the like."""
    reason = os.strerror(error.errno) if error.errno else error  # some libraries put more into the error's own text
    return f"{path or 'a file'}: {reason}; free some space or fix the permissions, then run it again."


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about an unknown word: the closest known one, or `otherwise`."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else otherwise
