"""The whole model: the graph model, two Gaussian processes, the next-movie model and the trend, mixed."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from movierec.interactions.gaps import is_away
from movierec.interactions.profiles import Profiles
from movierec.model.gaussian_process import Process, folded_user_scorer, item_scorer, user_scorer
from movierec.model.graph import Graph
from movierec.model.kernels import Nodes
from movierec.model.lightgcn import fold_in
from movierec.model.mixing import Weights, mixed_scorer
from movierec.model.nearest_neighbors import LocalProcess
from movierec.model.next_movie import NextMovie
from movierec.model.trend import Trend
from movierec.ranking.topk import DotScorer, Scorer


class Model(NamedTuple):
    """A trained model.

    Long-term preference is a mix of the graph model, similar users and similar items. Where the split follows time, the
    score is a mix of long-term preference, the next-movie model and the trend.
    """

    graph: Graph  # of training, on the CPU
    h_user: Tensor  # (n_users, dim), unit vectors
    h_item: Tensor  # (n_items, dim), unit vectors
    user_embedding: Tensor  # (n_users, dim) and
    item_messages: Tensor  # (n_items, dim), for `fold_in`
    users: Process | LocalProcess | None  # None where it is left out
    items: Process | LocalProcess | None
    mix: Weights = (1.0, 0.0, 0.0)  # of graph, users and items
    next: NextMovie | None = None  # where the split follows time
    trend: Trend | None = None
    # Of long-term preference, next and trend: for users within a session, and for those who have been away.
    shares: tuple[Weights, Weights] = ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))

    def scorer(self, profiles: Profiles | None = None) -> Scorer:
        """The scores of users by index.

        Args:
            profiles: of the users, if they are not those of training; required where the split follows time.
        """
        long_term = mixed_scorer(self.components(profiles), self.mix)
        if self.next is None or self.trend is None or profiles is None:
            return long_term
        histories = profiles.histories
        shares = np.array(self.shares)[is_away(histories).astype(int)]  # (n_users, 3)
        return mixed_scorer((long_term, self.next.scorer(histories), self.trend.scorer(histories)), shares)

    def components(self, profiles: Profiles | None = None) -> tuple[Scorer, Scorer | None, Scorer | None]:
        """The scorers of the graph model, similar users and similar items; None for one that is left out."""
        if profiles is None:
            by_users = self.users and user_scorer(self.graph, self.users)
            return DotScorer(self.h_user, self.h_item), by_users, self.items and item_scorer(self.graph, self.items)
        some = self.nodes(profiles)
        by_users = self.users and folded_user_scorer(self.graph, self.users, self.h_user, some)
        by_items = self.items and item_scorer(self.graph, self.items, profiles.matrix)
        return DotScorer(some.h, self.h_item), by_users, by_items

    def nodes(self, profiles: Profiles) -> Nodes:
        """Users with any history as the kernel sees them; a new user has a layer 0 of zeros."""
        new = profiles.users < 0
        layer_0 = self.user_embedding[torch.from_numpy(np.where(new, 0, profiles.users))]
        layer_0[torch.from_numpy(new)] = 0
        gender = self.graph.user_gender[profiles.users] if profiles.gender is None else profiles.gender
        return Nodes(profiles.matrix, fold_in(layer_0, self.item_messages, profiles.matrix), gender)
