"""What each of several processes does, and what one alone does."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from small_recommender import small
from stage_runner import _stage
from two_threads import in_two

from movierec.evaluation.measure import ground_truth, measure
from movierec.ranking.topk import rank_all_users
from movierec.utils.group import ALONE, Group


def test_ranges_of_users_partition_them_into_equal_shares_of_interactions():
    train = sp.csr_matrix(np.tril(np.ones((30, 30), np.float32)))  # user u has u + 1
    ranges = [Group(rank, 3).user_range(train) for rank in range(3)]
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:2])] and ranges[2][1] == 30
    shares = [train[begin:end].nnz / train.nnz for begin, end in ranges]
    assert max(shares) - min(shares) < 0.1
    of_two_users = [Group(rank, 4).user_range(train[:2]) for rank in range(4)]
    assert of_two_users[-1][1] == 2, "with more processes than users, some have none"


def test_one_process_keeps_its_values():
    values = torch.ones(3, 2, requires_grad=True)
    assert ALONE.leads and _stage.join("cpu", 1) is ALONE
    assert ALONE.sum(values) is values and ALONE.from_leader(values) is values
    assert ALONE.concat(np.array([2.5])).tolist() == [2.5] and ALONE.arrays_from_leader({"a": 1}) == {"a": 1}
    assert ALONE.user_range(sp.csr_matrix((4, 2))) == (0, 4)
    assert torch.equal(ALONE.rows(values), values)


def test_members_divide_a_job_into_consecutive_shares():
    for n_parts, size in ((7, 3), (2, 4), (0, 2)):
        shares = [Group(rank, size).share(range(n_parts)) for rank in range(size)]
        assert [part for share in shares for part in share] == list(range(n_parts))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("chunk", [8, 512])
def test_members_rank_recommend_and_evaluate_what_one_does(monkeypatch, chunk):
    """With one chunk of users, the second member has none."""
    monkeypatch.setattr("movierec.ranking.topk.CHUNK", chunk)
    monkeypatch.setattr("movierec.ranking.topk.FEWEST", 1)
    recommender, scored = small().recommender, []
    score = recommender.model.scorer()

    def scorer(users):
        scored.append(len(users))
        return score(users)

    seen, asked = recommender.rated, {"k": 5, "diversity": 0.3}
    (alone,) = rank_all_users(scorer, seen)
    for (ranked,) in in_two(lambda group: rank_all_users(scorer, seen, group=group)):
        assert np.array_equal(ranked, alone) and ranked.dtype == alone.dtype
    assert sum(scored) == 2 * len(alone), "each user is scored once"
    for table in in_two(lambda group: recommender.recommend(None, **asked, group=group)):
        pd.testing.assert_frame_equal(table, recommender.recommend(None, **asked), check_exact=True)
    truth = ground_truth("after_train", sp.csr_matrix(seen.toarray()[:, ::-1]), seen)
    rankings = {"model": {"after_train": alone}}
    for evaluation in in_two(lambda group: measure(truth, rankings, group)):
        assert evaluation.means == measure(truth, rankings).means
