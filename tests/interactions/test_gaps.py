"""Gaps, sessions and situations, by hand and against loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_histories import with_times

from movierec.interactions.gaps import (
    BREAK,
    EDGES,
    LONGEST_RUN,
    LONGEST_SESSION,
    N_CLASSES,
    N_SITUATIONS,
    after_break,
    gap_class,
    gaps,
    is_away,
    last_situations,
    possible_gaps,
    situations,
)

TIMES = st.lists(st.lists(st.sampled_from([0, 0, 0, 5, 59, 3599, 3600, 10**6]), max_size=30), max_size=4)


def of_gaps(lists):
    """Histories with these seconds before each item."""
    return with_times(*([(item, int(time)) for item, time in enumerate(np.cumsum(gaps))] for gaps in lists))


def test_the_classes_of_gaps():
    seconds = np.array([0, 1, 9, 10, 59, 60, 600, 3599, 3600, 86399, 86400, 7 * 86400, 30 * 86400 - 1, 30 * 86400])
    assert gap_class(seconds).tolist() == [0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8]
    assert len(EDGES) + 1 == N_CLASSES == 9 and EDGES[gap_class(np.array([BREAK]))[0] - 1] == BREAK


def test_gaps_are_within_a_users_history():
    histories = with_times([(5, 10), (3, 10), (4, 4000)], [], [(1, 5000)])
    assert gaps(histories)[[1, 2]].tolist() == [0, 3990]
    assert (gaps(histories)[[0, 3]] > 10**18).all(), "of a first item"
    assert after_break(histories).tolist() == [False, False, True, False]
    assert len(gaps(with_times([]))) == 0


def test_situations_by_hand():
    found = situations(with_times([(0, 0), (1, 0), (2, 0), (3, 5), (4, 5000), (5, 5000)])) - [0, 9, 19]
    longest = N_CLASSES - 1
    assert found.tolist() == [[longest, 0, 0], [0, 1, 1], [0, 2, 1], [1, 0, 2], [5, 0, 0], [0, 1, 1]]


@given(TIMES)
def test_situations_are_those_of_a_loop(lists):
    histories, expected = of_gaps(lists), []
    for before in lists:
        run = session = 0
        for place, gap in enumerate(before):
            run = run + 1 if place and gap == 0 else 0
            session = session + 1 if place and gap < BREAK else 0
            length = min(int(np.log2(session + 1)), LONGEST_SESSION - 1)
            gap = int(gap_class(np.array(gap))) if place else N_CLASSES - 1
            expected.append([gap, N_CLASSES + min(run, LONGEST_RUN - 1), N_CLASSES + LONGEST_RUN + length])
    assert situations(histories).tolist() == expected
    assert all(0 <= number < N_SITUATIONS for row in expected for number in row)
    last = last_situations(histories).tolist()
    ends = np.cumsum([len(of) for of in lists])
    start = [N_CLASSES - 1, N_CLASSES, N_CLASSES + LONGEST_RUN]
    assert last == [expected[end - 1] if of else start for of, end in zip(lists, ends, strict=True)]


def test_the_moment_of_asking_rules_out_shorter_gaps():
    histories = with_times([(5, 10), (3, 20)], [(1, 40)], [])
    assert possible_gaps(histories).all(), "right after the last item, any gap is possible"
    asked = histories.asked_at([20, 40 + BREAK, 40])
    assert possible_gaps(asked).tolist() == [[True] * 9, [False] * 5 + [True] * 4, [True] * 9]
    assert is_away(asked).tolist() == [False, True, False]
    exactly = possible_gaps(histories.asked_at([20, 40 + BREAK, 40], exactly=True))
    assert np.argwhere(exactly).tolist() == [[0, 0], [1, 5], [2, 0]]
