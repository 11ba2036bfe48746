"""What comes next: a user's last movies send messages along 'watched next' edges, the older the fainter."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch import nn

from movierec.graph import weighted_sum
from movierec.history import History, decayed, transitions
from movierec.ranking import Scorer

START_SCALE = 0.1  # standard deviation of the embeddings' entries at the start
START_HALF_LIFE, START_REACH = 2.0, 20  # of the transitions that training starts from


class NextMovie(nn.Module):
    """Scores for the next movie from the movies before it.

    A user's state holds, for each half-life b, the sum of what their movies send, fading with age:

        z_b = sum over movies i of the history of 2^(-age(i) / b) e_b(i)
        x = sum over b of W_b sqrt(1 - 4^(-1/b)) z_b + c
        u = x + V' gelu(V norm(x) + v) + v'
        score(j) = cos(u, o_j) / temperature + bias_j

    e_b and o are embeddings of movies, as the origin and as the end of a 'watched next' edge. One more movie
    changes the state by z_b <- 2^(-1/b) z_b + e_b(i), so that nothing else has to be looked at again.
    """

    def __init__(self, n_items: int, half_lives: list[float], dim: int, hidden: int, temperature: float):
        """
        Args:
            n_items: of the catalogue.
            half_lives: in movies.
            dim: of each embedding.
            hidden: width of the layer between x and u.
            temperature: of the softmax.
        """
        super().__init__()
        self.half_lives, self.dim, self.temperature = list(half_lives), dim, temperature
        width = len(half_lives) * dim
        self.origin = nn.Parameter(torch.zeros(n_items, width))  # e, one half-life after the other
        self.end = nn.Parameter(torch.zeros(n_items, dim))  # o
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.mix = nn.Linear(width, dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        decay = torch.tensor(half_lives, dtype=torch.float64).reciprocal().neg().exp2()
        self.register_buffer("decay", decay.repeat_interleave(dim).float(), persistent=False)  # (width,), of each entry of the state
        scale = (1 - decay.square()).sqrt()
        self.register_buffer("scale", scale.repeat_interleave(dim).float(), persistent=False)

    def start_(self, past: History, seed: int) -> "NextMovie":
        """Set the parameters to where training begins.

        Embeddings come from the leading singular vectors of the transitions, D_row^-1/2 C D_column^-1/2, each times the
        root of its singular value: the best low-rank guess of what follows what. Training then takes about half of the epochs.
        """
        n_items = len(self.end)
        counts = transitions(past, n_items, START_HALF_LIFE, START_REACH)
        out, into = (np.sqrt(np.maximum(np.asarray(counts.sum(axis=axis)).ravel(), 1e-12)) for axis in (1, 0))
        normalised = sp.diags(1 / out) @ counts @ sp.diags(1 / into)
        rank = min(self.dim, n_items)
        with threadpool_limits(1):  # LAPACK's bits depend on the number of threads
            left, values, right = randomized_svd(normalised.astype(np.float32), rank, n_iter=3, random_state=seed)
        rng = np.random.default_rng(seed)

        def embedding(vectors: np.ndarray) -> torch.Tensor:
            vectors = vectors * np.sqrt(values)
            vectors *= START_SCALE / max(vectors.std(), 1e-12)
            vectors = np.pad(vectors, ((0, 0), (0, self.dim - rank)))
            return torch.from_numpy((vectors + rng.normal(0, START_SCALE / 10, vectors.shape)).astype(np.float32))

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
            self.bias.zero_()
        return self

    def states(self, known: History) -> torch.Tensor:
        """Each user's state after their history, (n_users, width): a message from each of their movies for each half-life."""
        parts = self.origin.split(self.dim, dim=1)
        n_items = len(self.end)
        return torch.cat([weighted_sum(decayed(known, n_items, b))(e.contiguous()) for b, e in zip(self.half_lives, parts)], dim=1)

    def after(self, states: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """The states (n, width) after one more movie each, `items` (n,) int64."""
        return torch.addcmul(F.embedding(items, self.origin), self.decay, states)

    def walk(self, items: torch.Tensor) -> torch.Tensor:
        """The states after each movie of a history: (length, n) int64 to (length, n, width)."""
        return Walk.apply(F.embedding(items, self.origin), self.decay)

    def vectors(self, states: torch.Tensor) -> torch.Tensor:
        """u, scaled so that its product with a unit vector is the score: (n, width) to (n, dim)."""
        x = self.mix(states * self.scale)
        u = x + self.down(F.gelu(self.up(F.layer_norm(x, x.shape[-1:]))))
        return F.normalize(u, dim=-1) / self.temperature

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """For all movies: (n, width) to (n, n_items)."""
        return torch.addmm(self.bias, self.vectors(states), F.normalize(self.end).T)

    def scorer(self, known: History) -> Scorer:
        """Scores for users with these histories."""

        def score(users: np.ndarray) -> torch.Tensor:
            with torch.no_grad():
                return self.scores(self.states(known.of(users)))

        return score

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays, to be stored."""
        numbers = {"half_lives": np.array(self.half_lives), "temperature": np.array(self.temperature)}
        return numbers | {name: value.numpy() for name, value in self.state_dict().items()}


def stored_next(arrays: dict[str, np.ndarray]) -> NextMovie:
    """The reverse of `NextMovie.arrays`."""
    arrays = dict(arrays)
    half_lives, temperature = arrays.pop("half_lives").tolist(), float(arrays.pop("temperature"))
    network = NextMovie(len(arrays["end"]), half_lives, arrays["end"].shape[1], len(arrays["up.bias"]), temperature)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return network


class Walk(torch.autograd.Function):
    """z(t) = decay z(t-1) + x(t), from z(-1) = 0; its gradient walks back in the same way."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
        """x (length, n, width), decay (width,)."""
        ctx.decay = decay
        return walk(x, decay, range(len(x)))

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return walk(grad, ctx.decay, reversed(range(len(grad)))), None


def walk(x: torch.Tensor, decay: torch.Tensor, order: Iterable[int]) -> torch.Tensor:
    """See `Walk`; one way or the other."""
    out = torch.empty_like(x)
    z = torch.zeros_like(x[0])
    for t in order:
        z = torch.addcmul(x[t], decay, z, out=out[t])
    return out
