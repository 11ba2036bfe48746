"""How much chance changes on leave-one-out: python benchmarks/spread.py --sequences FILE

Test NDCG@10 of the whole model, over seeds and over relabellings: users and items in another order, which changes
nothing else. Then the next-movie model alone, with a seed for each use of random numbers, of which one changes at a
time: the start of the SVD of the initial embeddings, the batches, and the negatives with the targets.
"""

from pathlib import Path
from typing import Any

import _bench
import numpy as np
import pandas as pd
from next_item import Data, read_sequences
from published_split import without_feature_weights, without_features

from movierec.model.fit import fit
from movierec.model.next_movie import NextMovie
from movierec.model.next_training import NextMovieTraining, batches_of_users
from movierec.ranking.topk import Scorer, evaluate_users
from movierec.utils.params import Params

USES = ("initial embeddings", "batches", "negatives and targets")


def main() -> None:
    parser = _bench.parser(__doc__, "set", "seeds")
    parser.add_argument("--sequences", type=Path, required=True, metavar="FILE", help="as of next_item.py")
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    seeds = args.seeds or [1, 2, 3]
    interactions = read_sequences(args.sequences)
    labelled = [Data(relabelled(interactions, label)) for label in range(len(seeds))]
    of_users = [[whole(data, params, seed) for seed in seeds] for data in labelled]  # (n_users,) each
    ndcg = np.array([[of.mean() for of in row] for row in of_users])  # (n_labels, n_seeds)
    spread = {"seeds": deviation(ndcg, 1), "labels": deviation(ndcg, 0), "both": deviation(ndcg.ravel(), 0)}
    spread["users"] = float(np.mean([of.std() / np.sqrt(len(of)) for row in of_users for of in row]))
    result: dict[str, Any] = {"whole": {"ndcg@10": ndcg.round(6).tolist(), "deviation": rounded(spread)}}
    parts = {}
    for number, use in enumerate(USES):
        runs = [[seed if place == number else seeds[0] for place in range(len(USES))] for seed in seeds]
        parts[use] = np.array([next_alone(labelled[0], params, *of).mean() for of in runs])
        _bench.say(f"{use}: {parts[use].round(4).tolist()}")
    alone = {
        use: {"ndcg@10": of.round(6).tolist(), "deviation": round(deviation(of, 0), 6)} for use, of in parts.items()
    }
    _bench.write_result(args.out, result | {"next_movie": alone}, seeds)


def relabelled(interactions: pd.DataFrame, label: int) -> pd.DataFrame:
    """Users and items in another order; for 0, as they are."""
    if not label:
        return interactions
    rng = np.random.default_rng(label)
    order = {side: rng.permutation(int(interactions[side].max()) + 1).astype(np.int32) for side in ("user", "item")}
    other = interactions.assign(**{side: of[interactions[side]] for side, of in order.items()})
    return other.sort_values("user", kind="stable", ignore_index=True)


def whole(data: Data, params: Params, seed: int) -> np.ndarray:
    """Each user's test NDCG@10 by the whole model."""
    arrays, of_seed = without_features(data.matrices.train), without_feature_weights(params, seed)
    later = data.profiles["later"]
    model = fit(arrays, data.matrices.valid, of_seed, profiles=data.profiles["valid"], later=later).model
    found = test_ndcg(data, model.scorer(data.profiles["test"]))
    _bench.say(f"seed {seed}: test NDCG@10 {found.mean():.4f}")
    return found


def next_alone(data: Data, params: Params, start: int, order: int, sample: int) -> np.ndarray:
    """Each user's test NDCG@10 by the next-movie model, by the seeds of the SVD, the batches, and the negatives."""
    histories, of = data.profiles["valid"].histories, params.next
    model = NextMovie(data.shape[1], of.half_lives, of.dim, hidden=of.hidden, temperature=of.temperature)
    training = NextMovieTraining(model.initialise_(histories, start), histories, data.matrices.valid, of, seed=sample)
    rng = np.random.default_rng(order)
    training.plan = [list(batches_of_users(histories.lengths, of.batch_steps, rng)) for _ in range(of.epochs)]
    training.run()
    return test_ndcg(data, model.scorer(data.profiles["test"].histories))


def test_ndcg(data: Data, scorer: Scorer) -> np.ndarray:
    """Each user's test NDCG@10."""
    seen = data.matrices.train + data.matrices.valid
    return evaluate_users(scorer, seen, seen, data.matrices.test, cutoffs=[10])["ndcg@10"]


def deviation(values: np.ndarray, axis: int) -> float:
    """The standard deviation along an axis; its mean square over the other one."""
    return float(np.sqrt(np.mean(values.var(axis=axis, ddof=1))))


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Six decimals."""
    return {name: round(value, 6) for name, value in values.items()}


if __name__ == "__main__":
    _bench.run(main)
