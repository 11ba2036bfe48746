"""A service's last days, replayed: python benchmarks/replay.py data/raw

Each movie that a user likes is a target, ranked among all that the user has not rated. Services differ in what they
know:

    trained once                     nothing that comes later
    updated daily                    what came until midnight, by `python -m movierec update`
    updated at once                  the same, and the history until the target
    trained daily                    as updated daily, and the model is trained at midnight (with --every N, each Nth)
    trained daily, updated at once

A user's first like is no target. Draws plots/replay.png.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import _bench
import numpy as np
import pandas as pd
import scipy.sparse as sp
from write_sequences import raw_folder

from movierec.data.cleaning import clean
from movierec.data.engine import Engine
from movierec.data.layouts import read_folder
from movierec.data.positives import Positives
from movierec.data.splitting import Strategy, parts_of_users
from movierec.evaluation.figures import plt, save
from movierec.interactions.features import gender_features, genre_features, movies_by_index
from movierec.interactions.gaps import DAY
from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.histories import Histories
from movierec.interactions.matrix import rating_weights, run_id, to_csr
from movierec.interactions.profiles import Profiles
from movierec.model.fit import fit
from movierec.model.saving import StoredModel
from movierec.ranking.topk import Scorer, chunks
from movierec.recommend.catalogue import Catalogue
from movierec.update import NewData, Update
from movierec.utils.arrays import replacing
from movierec.utils.params import Params

K = 10
LAST_TENTH = Strategy("user_temporal", valid_fraction=0.05, test_fraction=0.05)  # of each user, for validation
COLOURS = ("tab:gray", "tab:cyan", "tab:blue", "tab:orange", "tab:red")
SERVICES = ("trained once", "updated daily", "updated at once", "trained daily", "trained daily, updated at once")


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    parser.add_argument("source", type=Path, help="a folder such as data/raw, or a release's zip: ml-1m.zip")
    parser.add_argument("--days", type=int, default=31, help="to replay (default: 31)")
    parser.add_argument("--end", help="the day after the last one, 2001-01-01 (default: the end of the data)")
    parser.add_argument("--every", type=int, default=1, help="days from one training to the next (default: 1)")
    parser.add_argument(
        "--figure", type=Path, default=_bench.ROOT / "plots/replay.png", help="default: plots/replay.png"
    )
    args = parser.parse_args()
    params = _bench.bench_params(args.set)
    params = params.model_copy(update={"split_strategy": LAST_TENTH.name})
    data = read(args.source)
    last = data.ratings["Timestamp"].max() if args.end is None else pd.Timestamp(args.end).timestamp() - 1
    midnights = (int(last) // DAY + 1 - np.arange(args.days, 0, -1)) * DAY
    replay = Replay(data, midnights, params)
    rows = replay.rows(args.every)
    services = {name: replay.by_kind(name) for name in SERVICES}
    sizes = {"days": args.days, "every": args.every} | {kind: int(of.sum()) for kind, of in replay.kinds().items()}
    seconds = {kind: round(float(np.mean(of)), 3) for kind, of in replay.seconds.items()}
    _bench.write_result(args.out, {"data": sizes, "services": services, "seconds": seconds, "by_day": rows})
    draw(rows, args.every, args.figure)


def read(source: Path) -> NewData:
    """The clean tables of a data set whose ids are numbers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cleaned = clean(read_folder(raw_folder(source, folder)), 0, folder)
        ratings = pd.read_parquet(folder / "ratings.parquet")
    return NewData(cleaned.users, cleaned.movies, ratings.sort_values("Timestamp", kind="stable", ignore_index=True))


def until(data: NewData, moment: int, since: int = 0) -> NewData:
    """What is known at a moment, and comes since another one: movies and users with their first rating."""
    ratings = data.ratings[data.ratings["Timestamp"].between(since, moment, inclusive="left")]
    movies, users = (of[of[key].isin(ratings[key])] for of, key in ((data.movies, "MovieID"), (data.users, "UserID")))
    return NewData(users, movies, ratings)


class Trained(NamedTuple):
    """A model that was trained at a moment."""

    moment: int  # seconds since 1970
    stored: StoredModel
    catalogue: Catalogue

    @classmethod
    def on(cls, data: NewData, params: Params, moment: int) -> "Trained":
        """Trained on what is known at the moment."""
        users, movies, ratings = until(data, moment)
        interactions, user_ids, item_ids = positives(ratings, params)
        shape = len(user_ids), len(item_ids)
        part = parts_of_users(interactions["user"].to_numpy(), LAST_TENTH, np.random.default_rng(params.seed))
        train, held_out = (interactions[of].reset_index(drop=True) for of in (part == 0, part > 0))
        weight = rating_weights(train["rating"].to_numpy(), params.rating_power)
        features = gender_features(users, user_ids), genre_features(movies, item_ids)[0]
        arrays = graph_arrays(to_csr(train, *shape, weight), *features)
        known = {"profiles": [train], "later": [train, held_out]}
        profiles = {
            name: Profiles.from_interactions(*shape, parts, params.rating_power) for name, parts in known.items()
        }
        model = fit(arrays, to_csr(held_out, *shape), params, **profiles).model
        run = run_id(user_ids, item_ids, arrays.matrix())
        ids = {"user_ids": user_ids, "item_ids": item_ids, "run": run}
        movies = movies_by_index(movies, item_ids)
        catalogue = Catalogue.from_tables(users, movies, ratings, profiles=profiles["later"], **ids)
        return cls(moment, StoredModel(model, user_ids, item_ids, params.model_dump(), run=run), catalogue)

    def update(self, data: NewData, params: Params, moment: int) -> Update:
        """Updated with what has come until a later moment."""
        return Update(self.stored, self.catalogue, until(data, moment, self.moment), params)


def positives(ratings: pd.DataFrame, params: Params) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The positive interactions by user and time, and the ids of users and items."""
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Engine(Path(name, "scratch"))) as engine:
        ratings.to_parquet(path := Path(name, "ratings.parquet"), index=False)
        found = Positives(engine, path, params.min_rating, k_core=1)
        interactions = pd.concat(found.batches(in_time=True, ties=params.ties), ignore_index=True)
        return interactions, found.user_ids, found.item_ids


class Replay:
    """The days from some midnights on, and the services."""

    def __init__(self, data: NewData, midnights: np.ndarray, params: Params):
        """`midnights`: (n_days,) int64, rising."""
        self.midnights, self.params = midnights, params
        ratings = data.ratings.sort_values(["UserID", "Timestamp"], kind="stable", ignore_index=True)
        self.data = data._replace(ratings=ratings)
        self.users, self.user = np.unique(ratings["UserID"], return_inverse=True)
        self.item, self.time = ratings["MovieID"].to_numpy(), ratings["Timestamp"].to_numpy()
        self.gender = gender_features(data.users, self.users)
        self.begin = np.searchsorted(self.user, np.arange(len(self.users)))  # of each user's ratings
        self.is_like = (ratings["Rating"] >= params.min_rating).to_numpy()
        self.weight = rating_weights(ratings["Rating"].to_numpy(), params.rating_power)
        self.seconds: dict[str, list[float]] = {"training": [], "update": []}
        self.targets: list[np.ndarray] = []  # of each day, and by service their ranks
        self.ranks: dict[str, list[np.ndarray]] = {name: [] for name in SERVICES}

    def rows(self, every: int) -> list[dict[str, Any]]:
        """The figures of each day with a target, with a training every so many days."""
        start = self.midnights[0]
        once = latest = self._timed("training", lambda: Trained.on(self.data, self.params, start))
        before, rows = once.update(self.data, self.params, start), []
        for day, midnight in enumerate(self.midnights):
            if day and day % every == 0:
                latest = self._timed("training", lambda at=midnight: Trained.on(self.data, self.params, at))
            targets = self._targets(midnight)
            if not len(targets):
                continue
            updated = self._timed("update", lambda at=midnight: once.update(self.data, self.params, at))
            newest = updated if latest is once else latest.update(self.data, self.params, midnight)
            places = self._first_after(targets, start), self._first_after(targets, midnight), targets
            how = zip((before, updated, updated, newest, newest), (0, 1, 2, 1, 2), strict=True)
            row: dict[str, Any] = {"day": str(pd.Timestamp(midnight, unit="s").date()), "targets": len(targets)}
            for name, (update, known) in zip(SERVICES, how, strict=True):
                asked = self.time[targets] if known == 2 else np.full(len(targets), midnight)
                rank = self._ranks(update, targets, places[known], asked)
                self.ranks[name].append(rank)
                row[name] = figures(rank)
            self.targets.append(targets)
            _bench.say(f"{row['day']}: " + ", ".join(f"{name} {row[name]['ndcg']:.4f}" for name in SERVICES))
            rows.append(row)
        return rows

    def kinds(self) -> dict[str, np.ndarray]:
        """Which of all targets are of users, or of movies, without a rating before the first day."""
        targets = np.concatenate(self.targets)
        early = self.time < self.midnights[0]
        found = {"targets": np.ones(len(targets), bool)}
        found["of_new_users"] = ~np.isin(self.user[targets], self.user[early])
        return found | {"of_new_movies": ~np.isin(self.item[targets], self.item[early])}

    def by_kind(self, name: str) -> dict[str, Any]:
        """The figures of a service: of all targets, and of those of new users and new movies."""
        rank = np.concatenate(self.ranks[name])
        every, *others = ((kind, figures(rank[of])) for kind, of in self.kinds().items() if of.any())
        return every[1] | dict(others)

    def _timed(self, kind: str, work: Callable) -> Any:
        began = time.perf_counter()
        made = work()
        if kind == "update":
            made.model  # noqa: B018  # made when it is asked for
        self.seconds[kind].append(time.perf_counter() - began)
        return made

    def _targets(self, midnight: int) -> np.ndarray:
        """The places of the likes of a day, of users with a like before."""
        likes = np.append(0, np.cumsum(self.is_like))
        before = likes[:-1] - likes[self.begin[self.user]]
        return np.flatnonzero((self.time >= midnight) & (self.time < midnight + DAY) & self.is_like & (before > 0))

    def _first_after(self, targets: np.ndarray, moment: int) -> np.ndarray:
        """The place of each target's user's first rating from a moment on."""
        early = np.append(0, np.cumsum(self.time < moment))
        begin = self.begin[self.user[targets]]
        return begin + early[targets] - early[begin]

    def _ranks(self, update: Update, targets: np.ndarray, ends: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """The rank of each of n targets, places in the ratings, from 0; the number of items if it is not known yet.

        Args:
            update: the model that ranks.
            targets: (n,); what a user has rated before is left out.
            ends: (n,), the places where the histories end.
            asked: (n,), the moments of asking.
        """
        keys = update.items.names
        column = np.where(np.isin(self.item, keys), np.searchsorted(keys, self.item).clip(max=len(keys) - 1), -1)
        asking, pair = np.unique(np.stack([self.user[targets], ends, asked]), axis=1, return_inverse=True)
        scorer, rank = self._scorer(update, column, *asking), np.full(len(targets), len(keys))
        for at in chunks(asking.shape[1], len(keys)):
            scores = scorer(np.arange(at.start, at.stop)).numpy()
            for number in np.flatnonzero((pair >= at.start) & (pair < at.stop) & (column[targets] >= 0)):
                target, of_user = targets[number], scores[pair[number] - at.start]
                seen = column[self.begin[self.user[target]] : target]
                better = of_user > of_user[column[target]]
                rank[number] = better.sum() - better[seen[seen >= 0]].sum()
        return rank

    def _scorer(
        self, update: Update, column: np.ndarray, user: np.ndarray, end: np.ndarray, asked: np.ndarray
    ) -> Scorer:
        """The scores for users, each with the likes before a place; `column` is the item of each rating, or -1."""
        kept = np.flatnonzero(self.is_like & (column >= 0))
        everything = Histories(
            np.searchsorted(self.user[kept], np.arange(len(self.users) + 1)), column[kept], self.time[kept]
        )
        lengths = np.searchsorted(kept, end) - np.searchsorted(kept, self.begin[user])
        histories = everything.of(user, lengths).asked_at(asked, exactly=bool((asked % DAY).any()))
        likes = np.repeat(np.searchsorted(kept, self.begin[user]) - histories.indptr[:-1], lengths) + np.arange(
            lengths.sum()
        )
        entries = self.weight[kept[likes]], (histories.users, histories.items)
        matrix = sp.csr_matrix(entries, shape=(len(user), len(update.items.names)))
        index = pd.Index(update.users.names[update.users.place]).get_indexer(self.users[user])
        return update.model.model.scorer(Profiles(matrix, histories, index, self.gender[user]))


def figures(rank: np.ndarray) -> dict[str, float]:
    """The mean NDCG and hit rate at `K` of targets with these ranks, from 0."""
    hits = rank < K
    return {"ndcg": round(float((hits / np.log2(rank + 2)).mean()), 6), "hit_rate": round(float(hits.mean()), 6)}


def mean_ndcg(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    """The mean NDCG of a service over all targets up to each day: (n_days,)."""
    targets = np.array([row["targets"] for row in rows])
    return np.cumsum([row[name]["ndcg"] for row in rows] * targets) / np.cumsum(targets)


def draw(rows: list[dict[str, Any]], every: int, path: Path) -> None:
    """Draw the mean NDCG of all targets up to each day, a line for each service; `every`: of the training."""
    often = "trained daily" if every == 1 else f"trained every {every} days"
    days = pd.to_datetime([row["day"] for row in rows])
    figure, panel = plt.subplots(figsize=(10, 4.5), layout="constrained")
    for name, colour in sorted(zip(SERVICES, COLOURS, strict=True), key=lambda of: -mean_ndcg(rows, of[0])[-1]):
        values = mean_ndcg(rows, name)
        panel.plot(
            days, values, color=colour, linewidth=2, label=f"{name.replace(SERVICES[3], often)}: {values[-1]:.3f}"
        )
    panel.set(ylabel=f"NDCG@{K}, mean of all likes up to the day", title="A service, day by day", ylim=(0, None))
    panel.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    panel.grid(alpha=0.25)
    figure.autofmt_xdate()
    with replacing(path) as partial:
        save(figure, partial)


if __name__ == "__main__":
    _bench.run(main)
