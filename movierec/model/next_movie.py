"""The next-movie model: what a user watches next, from the movies watched last."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from movierec.interactions.gaps import N_CLASSES, N_SITUATIONS, last_situations, possible_gaps
from movierec.interactions.histories import Histories
from movierec.interactions.profiles import decayed, transitions
from movierec.model.graph import weighted_sum
from movierec.model.stored import LEAST, UNLIKELY
from movierec.ranking.topk import Scorer, chunks
from movierec.utils.linear_algebra import singular_vectors
from movierec.utils.operations import exp_, linear, log, product, sqrt, torch_threads

INITIAL_STD = 0.1  # of the entries of the embeddings
INITIAL_HALF_LIFE, INITIAL_REACH = 2.0, 20  # of the transitions that initialise the embeddings


class NextMovie(nn.Module):
    """Scores for the next movie from the history.

    A user's state holds, for each half-life b, a decayed sum of messages from the movies of the history. What comes
    next depends on the gap, the time until then, of which there are classes g; so the score is a mixture over them.

        z_b = sum over movies i of the history of 2^(-age(i) / b) e_b(i)
        x = sum over b of W_b sqrt(1 - 4^(-1/b)) z_b + c + sum over situations s of f_s
        p(g) = softmax over g of (A norm(x) + a)
        x_g = x + d_g
        u_g = x_g + V' gelu(V norm(x_g) + v) + v'
        score(j) = log sum over g of p(g) softmax over unseen j of (cos(u_g, o_j) / temperature + bias_j)

    e_b and o are embeddings of movies as the source and as the target of a 'watched next' edge; f of the situation
    (`gaps.situations`) and d of the gap. Where the moment of asking is known, only the gaps that it allows count. One
    more movie updates the state by z_b <- 2^(-1/b) z_b + e_b(i), in constant time.
    """

    def __init__(self, n_items: int, half_lives: list[float], dim: int, *, hidden: int, temperature: float):
        """Half-lives are in movies; `dim` is of each embedding, `hidden` of the layer between x and u."""
        super().__init__()
        self.half_lives, self.dim, self.temperature = list(half_lives), dim, temperature
        width = len(half_lives) * dim
        self.origin = nn.Parameter(torch.zeros(n_items, width))  # e, one half-life after the other
        self.end = nn.Parameter(torch.zeros(n_items, dim))  # o
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.situation = nn.Parameter(torch.zeros(N_SITUATIONS, dim))  # f
        self.gap = nn.Parameter(torch.zeros(N_CLASSES, dim))  # d
        self.when = nn.Linear(dim, N_CLASSES)
        self.mix = nn.Linear(width, dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        decay = torch.tensor(half_lives, dtype=torch.float64).reciprocal().neg().exp2()
        scale = sqrt(1 - decay.square())
        self.decay, self.scale = (of.repeat_interleave(dim).float() for of in (decay, scale))  # (width,) each

    def initialise_(self, histories: Histories, seed: int) -> "NextMovie":
        """Set the parameters to their initial values.

        The embeddings are the leading singular vectors of the transitions, D_row^-1/2 C D_column^-1/2, each times the
        root of its singular value; training then needs about half the epochs.
        """
        n_items = len(self.end)
        counts = transitions(histories, n_items, INITIAL_HALF_LIFE, INITIAL_REACH)
        out, into = (np.sqrt(np.maximum(np.asarray(counts.sum(axis=axis)).ravel(), 1e-12)) for axis in (1, 0))
        normalised = sp.diags(1 / out) @ counts @ sp.diags(1 / into)
        rank = min(self.dim, n_items)
        left, values, right = singular_vectors(normalised, rank, seed, n_iter=3)
        rng = np.random.default_rng(seed)

        def embedding(vectors: np.ndarray) -> Tensor:
            vectors = vectors * np.sqrt(values)
            vectors *= INITIAL_STD / max(vectors.std(), 1e-12)
            vectors = np.pad(vectors, ((0, 0), (0, self.dim - rank)))
            return torch.from_numpy((vectors + rng.normal(0, INITIAL_STD / 10, vectors.shape)).astype(np.float32))

        def uniform(layer: nn.Linear) -> None:
            bound = layer.in_features**-0.5
            layer.weight.copy_(torch.from_numpy(rng.uniform(-bound, bound, layer.weight.shape).astype(np.float32)))
            layer.bias.zero_()

        with torch.no_grad():
            self.origin.copy_(embedding(left).repeat(1, len(self.half_lives)))
            self.end.copy_(embedding(right.T))
            self.mix.weight.copy_(torch.eye(self.dim).repeat(1, len(self.half_lives)))
            self.mix.weight.add_(torch.from_numpy(rng.normal(0, 0.02, self.mix.weight.shape).astype(np.float32)))
            self.mix.bias.zero_()
            uniform(self.up)
            uniform(self.down)
            for of in (self.bias, self.situation, self.gap, self.when.weight, self.when.bias):
                of.zero_()
        return self

    def states(self, histories: Histories) -> Tensor:
        """Each user's state after their history: (n_users, width)."""
        messages = zip(self.half_lives, self.origin.split(self.dim, dim=1), strict=True)
        n_items = len(self.end)
        return torch.cat([weighted_sum(decayed(histories, n_items, b))(e.contiguous()) for b, e in messages], dim=1)

    def after(self, states: Tensor, items: Tensor) -> Tensor:
        """The states (n, width) after one more movie each, `items` (n,) int64."""
        return torch.addcmul(F.embedding(items, self.origin), self.decay, states)

    def walk(self, items: Tensor) -> Tensor:
        """The states after each movie of the histories: (length, n) int64 to (length, n, width)."""
        return _Recurrence.apply(F.embedding(items, self.origin), self.decay)

    def inputs(self, states: Tensor, situations: Tensor) -> Tensor:
        """The vector x of states (n, width) and situations (n, 3) int64: (n, dim)."""
        return linear(states * self.scale, self.mix) + F.embedding_bag(situations, self.situation, mode="sum")

    def vectors(self, x: Tensor, gaps: Tensor) -> Tensor:
        """The vectors u_g / (|u_g| temperature) for gaps of the classes (n,) int64: (n, dim) to (n, dim)."""
        x = x + F.embedding(gaps, self.gap)
        u = x + linear(F.gelu(linear(norm(x), self.up)), self.down)
        return F.normalize(u, dim=-1) / self.temperature

    def scores(self, states: Tensor, histories: Histories, ends: Tensor | None = None) -> Tensor:
        """The scores of all movies: states (n, width) after these histories to (n, n_items).

        `ends` are the `unit_ends`, where there are many calls.
        """
        ends = self.unit_ends() if ends is None else ends
        if len(states) == 1 and torch.get_num_threads() > 1:  # to wake the others takes longer than the work
            with torch_threads(1):
                return self.scores(states, histories, ends)
        x = self.inputs(states, torch.from_numpy(last_situations(histories)))
        logits = linear(norm(x), self.when).masked_fill_(~torch.from_numpy(possible_gaps(histories)), -torch.inf)
        share = exp_(logits - logits.amax(dim=1, keepdim=True))  # p, but for a factor of each user
        share[share < UNLIKELY] = 0
        user, gap = share.nonzero(as_tuple=True)  # pairs, n_pairs of them
        of_pairs = product(self.vectors(x[user], gap), ends.T).add_(self.bias)  # (n_pairs, n_items)
        exp_(of_pairs.sub_(of_pairs.amax(dim=1, keepdim=True)))
        seen = histories.of(user.numpy())
        at = torch.from_numpy(seen.users), torch.from_numpy(seen.items.astype(np.int64))
        of_seen = of_pairs[at]
        of_pairs[at] = 0
        weight = share[user, gap] / of_pairs.sum(dim=1).clamp_(min=LEAST)
        of_pairs[at] = of_seen
        mixture = torch.zeros(len(x), len(ends)).index_add_(0, user, of_pairs.mul_(weight.unsqueeze(1)))
        return log(mixture.clamp_(min=LEAST))

    def unit_ends(self) -> Tensor:
        """The embeddings o with unit length: (n_items, dim)."""
        return F.normalize(self.end.detach())

    def scorer(self, histories: Histories) -> Scorer:
        """Scores for users with these histories."""
        ends = self.unit_ends()

        def score(users: np.ndarray) -> Tensor:
            found = []
            with torch.no_grad():
                for at in chunks(len(users), N_CLASSES * len(self.end)):
                    some = histories.of(users[at])
                    found.append(self.scores(self.states(some), some, ends))
            return torch.cat(found)

        return score

    def arrays(self) -> dict[str, np.ndarray]:
        """The model as arrays, to be stored."""
        numbers = {"half_lives": np.array(self.half_lives), "temperature": np.array(self.temperature)}
        return numbers | {name: value.numpy() for name, value in self.state_dict().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "NextMovie":
        """The reverse of `arrays`."""
        arrays = dict(arrays)
        half_lives, temperature = arrays.pop("half_lives").tolist(), float(arrays.pop("temperature"))
        n_items, dim = arrays["end"].shape
        model = cls(n_items, half_lives, dim, hidden=len(arrays["up.bias"]), temperature=temperature)
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return model


def norm(x: Tensor) -> Tensor:
    """Layer normalisation."""
    return F.layer_norm(x, x.shape[-1:])


class _Recurrence(torch.autograd.Function):
    """z(t) = decay z(t-1) + x(t), from z(-1) = 0; the gradient is the same recurrence backwards in time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, decay: Tensor) -> Tensor:
        """Of x (length, n, width), with decay (width,)."""
        ctx.decay = decay
        return _recur(x, decay, range(len(x)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """See the class."""
        return _recur(grad, ctx.decay, reversed(range(len(grad)))), None


def _recur(x: Tensor, decay: Tensor, order: Iterable[int]) -> Tensor:
    """`_Recurrence` in either direction."""
    out = torch.empty_like(x)
    z = torch.zeros_like(x[0])
    for t in order:
        z = torch.addcmul(x[t], decay, z, out=out[t])
    return out
