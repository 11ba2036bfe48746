"""The time between two items of a history: classes of it, sessions, and a user's situation.

A session ends where a user is away for `BREAK` seconds or more.
"""

import numpy as np

from movierec.interactions.histories import Histories

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds
EDGES = (1, 10, MINUTE, 10 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY)  # a gap of class c is below EDGES[c], in seconds
N_CLASSES = len(EDGES) + 1
BREAK = HOUR
LONGEST_RUN, LONGEST_SESSION = 10, 12  # classes of either length
N_SITUATIONS = N_CLASSES + LONGEST_RUN + LONGEST_SESSION


def gap_class(seconds: np.ndarray) -> np.ndarray:
    """The class of each gap: 0 for none at all, `N_CLASSES` - 1 for 30 days and more."""
    return np.searchsorted(EDGES, seconds, side="right")


def gaps(histories: Histories) -> np.ndarray:
    """The seconds between each item and the one before it, (n,) int64; a history's first item has the longest gap."""
    seconds = np.diff(histories.times, prepend=0)
    seconds[histories.indptr[:-1][histories.lengths > 0]] = np.iinfo(np.int64).max
    return seconds


def after_break(histories: Histories) -> np.ndarray:
    """Whether each item is the first one after a break, (n,); a history's first item is not."""
    seconds = gaps(histories)
    return (seconds >= BREAK) & (seconds < np.iinfo(np.int64).max)


def situations(histories: Histories) -> np.ndarray:
    """What time tells of a user after each item: (n, 3) int64, of `N_SITUATIONS`.

    The class of the gap before the item; the number of items before it at the same second, up to 9; the logarithm to
    base 2 of its place in the session, rounded down, up to 11.
    """
    seconds, place = gaps(histories), np.arange(len(histories.items))

    def since(is_start: np.ndarray) -> np.ndarray:
        return place - np.maximum.accumulate(np.where(is_start, place, 0))

    run = np.minimum(since(seconds > 0), LONGEST_RUN - 1)
    session = np.minimum(np.frexp(since(seconds >= BREAK) + 1)[1] - 1, LONGEST_SESSION - 1)
    return np.stack([gap_class(seconds), N_CLASSES + run, N_CLASSES + LONGEST_RUN + session], axis=1)


def last_situations(histories: Histories) -> np.ndarray:
    """The `situations` after each user's last item: (n_users, 3) int64; those of a first item for users without any."""
    empty = np.array([N_CLASSES - 1, N_CLASSES, N_CLASSES + LONGEST_RUN])
    of_items = np.concatenate([situations(histories), empty[None, :]])
    return of_items[np.where(histories.lengths > 0, histories.indptr[1:] - 1, -1)]


def possible_gaps(histories: Histories) -> np.ndarray:
    """The classes of the gap to the next item that the moment of asking allows: (n_users, N_CLASSES) bool.

    They are those of the time that has passed and of longer ones; with `histories.exactly`, the former alone.
    """
    least, classes = gap_class(histories.waits)[:, None], np.arange(N_CLASSES)
    return classes == least if histories.exactly else classes >= least


def is_away(histories: Histories) -> np.ndarray:
    """Whether each user asks after a break, (n_users,)."""
    return histories.waits >= BREAK
