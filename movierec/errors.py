"""The one error that a person is meant to read."""

import difflib
import os
from collections.abc import Iterable


class UserError(Exception):
    """Something that whoever runs the project can put right.

    Its message says what is wrong (file, line, key or value), and what to do next. Stages print it
    as it is and exit with 1; anything else that is raised is a bug of ours, and shows its traceback.
    """


def cannot_write(path: object, error: OSError) -> str:
    """The message about a file or folder that the operating system refuses: a full disk, no permission, and the like."""
    reason = os.strerror(error.errno) if error.errno else error  # some libraries put more into the error's own text
    return f"{path or 'a file'}: {reason}; free some space or mend the permissions, then run it again."


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about a word that is not known: the nearest that is, or `otherwise`."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise
