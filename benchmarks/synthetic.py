"""Synthetic interactions of any size, with known preferences: python benchmarks/synthetic.py OUT --interactions 1000000

Writes ratings.csv and movies.csv, the files of ml-32m, and truth.npz, the true preferences. No data set that may be
redistributed is as large as those that strain a pipeline, and none comes with the preferences of its users.

A user u rates movie i with a probability proportional to

    popularity_i * exp(BETA * min(t_u . v_i, CEILING))                      t_u, v_i: unit vectors of taste

each movie at most once: draws one by one, in which repeats are dropped. A movie's taste is near its genres', a user's
near that of a few movies. Popularity has MovieLens' long tail, longer for larger catalogues; users have at least 20
ratings, and a lognormal number beyond. Ratings have MovieLens' shares, and are higher for movies of the user's taste.

Users are drawn in blocks, so that memory does not grow with the interactions. The same arguments give the same bytes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import _bench
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from scipy.special import ndtri

from movierec.utils.arrays import read_arrays, replacing, write_arrays
from movierec.utils.errors import UserError

# Interactions, users and movies of MovieLens 100K, 1M and 32M; log-linear between them, and beyond.
SHAPES = np.array([(100_000, 943, 1_682), (1_000_000, 6_040, 3_706), (32_000_000, 200_948, 84_432)])
# The share of the movies that have each genre, in the CSV releases (ml-latest-small, 2018).
GENRES = {"Action": 0.19, "Adventure": 0.13, "Animation": 0.06, "Children": 0.07, "Comedy": 0.39, "Crime": 0.12}
GENRES |= {"Documentary": 0.05, "Drama": 0.45, "Fantasy": 0.08, "Film-Noir": 0.01, "Horror": 0.10, "Musical": 0.03}
GENRES |= {"Mystery": 0.06, "Romance": 0.16, "Sci-Fi": 0.10, "Thriller": 0.19, "War": 0.04, "Western": 0.02}
# The shares of the ratings 0.5, 1.0 .. 5.0, in the same release.
RATING_SHARES = np.array([0.014, 0.028, 0.018, 0.075, 0.055, 0.199, 0.130, 0.266, 0.085, 0.130])
RATINGS = pa.array([f"{half / 2}" for half in range(1, 11)])

DIM = 12  # of the vectors of taste
BETA = 7.0  # weight of taste in the probability
CEILING = 0.7  # the cosine of taste above which a movie becomes no likelier
OWN_TASTE = 1.0  # weight of a movie's own taste beside its genres'
NEAR_MOVIES = 3  # whose mean, approximately, is a user's taste
MIN_DEGREE = 20  # ratings of a user, as in MovieLens
DEGREE_SIGMA = 1.2  # deviation of the logarithm of the ratings beyond that
MAX_SHARE = 1 / 3  # of the movies that one user rates
TASTE_IN_RATING = 0.5  # correlation of a rating with the user's taste for the movie
URN = 2**24  # slots
BLOCK = 256  # users drawn at one time
FIRST_TIME, LAST_TIME = 822_873_600, 1_697_155_200  # seconds: January 29, 1996 and October 13, 2023
DAY = 86_400  # seconds


class Truth(NamedTuple):
    """The true preferences. The user and the movie of index n have the id n + 1."""

    log_popularity: np.ndarray  # (n_movies,) float32
    movie_tastes: np.ndarray  # (n_movies, DIM) float32, unit length
    user_tastes: np.ndarray  # (n_users, DIM) float32, unit length

    @classmethod
    def load(cls, path: Path) -> "Truth":
        return cls(**read_arrays(path))

    def scores(self, users: np.ndarray) -> np.ndarray:
        """The logarithms of preferences, up to a constant per user: (n,) indices to (n, n_movies) float32."""
        return self.log_popularity + taste(self.user_tastes[users] @ self.movie_tastes.T)


def taste(cosines: np.ndarray) -> np.ndarray:
    """The part of taste in the logarithm of a preference."""
    return np.float32(BETA) * np.minimum(cosines, np.float32(CEILING))


def generate(
    folder: Path, n_interactions: int, seed: int, n_users: int | None = None, n_movies: int | None = None
) -> None:
    """Write ratings.csv, movies.csv and truth.npz.

    Args:
        folder: the folder to write to.
        n_interactions: rows of ratings.csv, exactly.
        seed: of movies, users and interactions.
        n_users: None for those of a MovieLens release of this size.
        n_movies: likewise.

    Raises:
        UserError: the users and movies cannot have this number of interactions.
    """
    usual = usual_shape(n_interactions)
    n_users, n_movies = n_users or usual[0], n_movies or usual[1]
    rng = np.random.default_rng(seed)
    has_genre = random_genres(rng, n_movies)  # (n_movies, n_genres)
    of_genres = unit(has_genre @ rng.standard_normal((len(GENRES), DIM)))
    movie_tastes = unit(of_genres + OWN_TASTE * unit(rng.standard_normal((n_movies, DIM))))
    near = movie_tastes[rng.integers(0, n_movies, (NEAR_MOVIES, n_users))].sum(axis=0)
    user_tastes = unit(near + unit(rng.standard_normal((n_users, DIM))))
    slots = slots_in_urn(rng, n_movies)
    degrees = user_degrees(rng, n_interactions, n_users, n_movies)
    truth = Truth(*(of.astype(np.float32) for of in (np.log(slots), movie_tastes, user_tastes)))

    years = 2023 - (108 * rng.beta(1.2, 4, n_movies)).astype(int)
    with replacing(folder / "movies.csv") as partial:
        write_movies(partial, has_genre, years)
    write_arrays(folder / "truth.npz", **truth._asdict())
    with replacing(folder / "ratings.csv") as partial:
        write_ratings(partial, blocks(truth, slots, degrees, seed))


def usual_shape(n_interactions: int) -> tuple[int, int]:
    """The number of users and of movies of a MovieLens release with this many interactions."""
    (n_1, *shape_1), (n_2, *shape_2) = SHAPES[:2] if n_interactions < SHAPES[1, 0] else SHAPES[1:]
    along = np.log(n_interactions / n_1) / np.log(n_2 / n_1)
    users, movies = np.rint(np.array(shape_1) * (np.array(shape_2) / shape_1) ** along).astype(int).tolist()
    return max(users, 1), max(movies, 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_genres(rng: np.random.Generator, n_movies: int) -> np.ndarray:
    """The genres of each movie, at least one: (n_movies, n_genres) bool."""
    shares = np.array(list(GENRES.values()))
    has_genre = rng.random((n_movies, len(GENRES))) < shares
    without = np.flatnonzero(~has_genre.any(axis=1))
    has_genre[without, rng.choice(len(GENRES), len(without), p=shares / shares.sum())] = True
    return has_genre


def slots_in_urn(rng: np.random.Generator, n_movies: int) -> np.ndarray:
    """Popularity, as slots of an urn that movies are drawn from: (n_movies,) int64, at least 1, about `URN` in all.

    By rank, as a share q of all movies: exp(-a q^0.4 - b q^4). From the catalogue of 1M to that of 32M, a grows and b
    vanishes.
    """
    growth = np.interp(np.log(n_movies), np.log(SHAPES[1:, 2]), [0, 1])
    a, b = 6.3 + 7.2 * growth, 2.3 - 3.8 * growth
    q = (rng.permutation(n_movies) + 0.5) / n_movies
    popularity = np.exp(-a * q**0.4 - b * q**4)
    return np.maximum(np.rint(URN * popularity / popularity.sum()).astype(np.int64), 1)


def user_degrees(rng: np.random.Generator, n_interactions: int, n_users: int, n_movies: int) -> np.ndarray:
    """The number of movies that each user rates: (n_users,) int64, `n_interactions` in all.

    Raises:
        UserError: the mean would be below `MIN_DEGREE`, or above `MAX_SHARE` of the movies.
    """
    most = int(MAX_SHARE * n_movies)
    if not MIN_DEGREE * n_users <= n_interactions <= most * n_users:
        possible = f"{MIN_DEGREE * n_users:,} to {most * n_users:,} interactions, not {n_interactions:,}"
        raise UserError(
            f"{n_users:,} users and {n_movies:,} movies can have {possible}: each user rates at least {MIN_DEGREE} "
            "movies, and at most a third of all."
        )
    more = rng.lognormal(sigma=DEGREE_SIGMA, size=n_users)
    low, high = 0.0, most / more.min()
    for _ in range(100):
        scale = (low + high) / 2
        wanted = np.minimum(MIN_DEGREE + scale * more, most)
        low, high = (scale, high) if wanted.sum() < n_interactions else (low, scale)
    degrees = wanted.astype(np.int64)
    by_fraction = np.argsort(degrees - wanted, kind="stable")
    by_fraction = by_fraction[degrees[by_fraction] < most]
    degrees[by_fraction[: n_interactions - degrees.sum()]] += 1
    return degrees


def blocks(truth: Truth, slots: np.ndarray, degrees: np.ndarray, seed: int) -> Iterator[pa.RecordBatch]:
    """The rows of ratings.csv, sorted by user and movie, in blocks of users."""
    urn = np.repeat(np.arange(len(slots), dtype=np.int32), slots)
    for begin in range(0, len(degrees), BLOCK):
        rng = np.random.default_rng((seed, begin))
        of_block = degrees[begin : begin + BLOCK]
        users, movies = draw(rng, urn, truth.user_tastes[begin : begin + BLOCK], truth.movie_tastes, of_block)
        cosine = cosines(truth.user_tastes[begin + users], truth.movie_tastes[movies])
        if not begin:  # the first block gives what is usual among rated movies
            mean, deviation = cosine.mean(), cosine.std()
        columns = {
            "userId": pa.array((begin + users + 1).astype(np.int32)),
            "movieId": pa.array((movies + 1).astype(np.int32)),
            "rating": RATINGS.take(pa.array(random_ratings(rng, (cosine - mean) / deviation))),
            "timestamp": pa.array(random_times(rng, of_block, users)),
        }
        yield pa.record_batch(columns)


def cosines(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """Row by row: (n, DIM) and (n, DIM) to (n,) float32."""
    return np.einsum("nd,nd->n", these, those)


def draw(
    rng: np.random.Generator, urn: np.ndarray, user_tastes: np.ndarray, movie_tastes: np.ndarray, degrees: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct movies for each of some users, by rejection: drawn by popularity, accepted by taste.

    Each round draws, for the users who lack some, about as many as should suffice by the acceptance of the last round.

    Returns:
        users (n,) int64, from 0 in the block, ascending, and movies (n,) int64, ascending for each user; n is the sum
        of `degrees`.
    """
    n_users, n_movies = len(degrees), len(movie_tastes)
    held = np.empty(0, dtype=np.int64)  # user * n_movies + movie, ascending
    lacks, useful = degrees.copy(), np.full(n_users, 0.2)
    while lacks.any():
        drawn = np.where(lacks > 0, np.minimum(1.1 * lacks / useful + 4, 50_000).astype(np.int64), 0)
        users = np.repeat(np.arange(n_users), drawn)
        movies = urn[rng.integers(0, len(urn), len(users), dtype=np.uint32)]
        odds = np.exp(taste(cosines(user_tastes[users], movie_tastes[movies])) - np.float32(BETA * CEILING))
        accepted = np.flatnonzero(rng.random(len(users), dtype=np.float32) < odds)
        users, pairs = users[accepted], users[accepted] * n_movies + movies[accepted]
        first = firsts(pairs, held)
        users, pairs = users[first], pairs[first]
        # No more than the user lacks, in the order of drawing.
        new = np.bincount(users, minlength=n_users)
        place = np.arange(len(users)) - np.repeat(np.cumsum(new) - new, new)
        held = np.sort(np.concatenate([held, pairs[place < lacks[users]]]))
        useful = np.maximum(new / np.maximum(drawn, 1), 1e-3)
        lacks = degrees - np.bincount(held // n_movies, minlength=n_users)
    return np.divmod(held, n_movies)


def firsts(pairs: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The places of the first occurrences in `pairs` of values that are not in `held` (ascending), ascending."""
    bits = len(pairs).bit_length()
    both = np.sort(pairs << bits | np.arange(len(pairs)))  # value and place in one number: faster than argsort
    value, where = both >> bits, both & ((1 << bits) - 1)
    new = np.diff(value, prepend=-1) != 0
    if len(held):
        new &= held[np.minimum(np.searchsorted(held, value), len(held) - 1)] != value
    return np.sort(where[new])


def random_ratings(rng: np.random.Generator, fit: np.ndarray) -> np.ndarray:
    """Ratings with MovieLens' shares.

    Args:
        rng: of the noise.
        fit: (n,) float32, the cosine of the movie's taste and the user's, standardised.

    Returns:
        (n,) int64, indices of `RATINGS`.
    """
    noise = rng.standard_normal(len(fit), dtype=np.float32)
    steps = ndtri(np.cumsum(RATING_SHARES)[:-1]).astype(np.float32)
    return np.searchsorted(steps, TASTE_IN_RATING * fit + np.sqrt(np.float32(1 - TASTE_IN_RATING**2)) * noise)


def random_times(rng: np.random.Generator, degrees: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The time of each row: most on the user's first day, the others in later sessions of an hour.

    Args:
        rng: of the times.
        degrees: (n_users,), rows of each user of the block.
        users: (n,), the user of each row, ascending.

    Returns:
        (n,) int64, seconds since 1970.
    """
    n_sessions = 1 + degrees // 50
    first = np.cumsum(n_sessions) - n_sessions
    begins = np.repeat(rng.integers(FIRST_TIME, LAST_TIME, len(degrees)), n_sessions)
    later = (rng.exponential(200 * DAY, len(begins))).astype(np.int64)
    later[first] = 0
    session = first[users] + (n_sessions[users] * rng.random(len(users)) ** 2).astype(np.int64)
    return np.minimum(begins[session] + later[session] + rng.integers(0, 3600, len(users)), LAST_TIME)


def write_movies(path: Path, has_genre: np.ndarray, years: np.ndarray) -> None:
    """Write movies.csv."""
    names = np.array(list(GENRES))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("movieId,title,genres\n")
        for movie, (genres, year) in enumerate(zip(has_genre, years, strict=True), 1):
            file.write(f"{movie},Movie {movie} ({year}),{'|'.join(names[genres])}\n")


def write_ratings(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    """Write ratings.csv in batches."""
    first = next(batches)
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")  # the writer would quote them
        with pa_csv.CSVWriter(file, first.schema, write_options=options) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="OUT", help="the folder to write to")
    parser.add_argument("--interactions", type=int, default=1_000_000, help="rows of ratings.csv (default: 1000000)")
    parser.add_argument("--users", type=int, help="default: as many as in a MovieLens release of this size")
    parser.add_argument("--movies", type=int, help="likewise")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    args = parser.parse_args()
    generate(args.folder, args.interactions, args.seed, args.users, args.movies)
    print(f"{args.folder}: ratings.csv, movies.csv and truth.npz, {args.interactions:,} interactions")


if __name__ == "__main__":
    _bench.run(main)
