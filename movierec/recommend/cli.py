"""Recommendations on the command line.

--user 42 --user 7 --top 10                  for users of the data set
--user 42 --watched 260                      what comes next, after this one
--like "Heat (1995)" --like "toy story" --dislike "Batman Forever" --gender F      for a new user
--similar "Blade Runner"                     similar movies
... --genre Drama --exclude-genre War --year 1990-1999 --diversity 0.3 --json
update FOLDER                                new ratings, users and movies in a trained model: see update --help
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movierec.utils.errors import UserError

if TYPE_CHECKING:  # the libraries are loaded when the arguments are valid
    import pandas as pd

    from movierec.recommend.lookup import Id
    from movierec.recommend.recommender import Recommender
    from movierec.utils.params import Params

MODELS, UPDATED = Path("models"), Path("models/updated")
LIKED = 8  # best ratings shown of a user
MAX_CHOICES = 20  # movies that a title may be


def arguments(argv: Sequence[str], prog: str = "python -m movierec") -> argparse.Namespace:
    """The arguments of the command line; exits with a message where one is invalid.

    Raises:
        UserError: options that do not go together.
    """
    parser = argparse.ArgumentParser(prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    users = parser.add_argument_group("users")
    users.add_argument("--user", action="append", metavar="ID", help="a UserID; repeatable")
    users.add_argument("--watched", action="append", metavar="MOVIE", help="watched since (title or ID); repeatable")
    users.add_argument(
        "--at", metavar="TIME", help="the moment of asking, in UTC: 2003-02-28T20:00 (default: the end of the data)"
    )
    users.add_argument("--like", action="append", metavar="MOVIE", help="a new user likes it (title or ID); repeatable")
    users.add_argument(
        "--dislike", action="append", metavar="MOVIE", help="a new user dislikes it (title or ID); repeatable"
    )
    users.add_argument("--gender", choices=("F", "M"), help="of a new user")
    users.add_argument("--similar", metavar="MOVIE", help="movies similar to this one (title or ID)")
    movies = parser.add_argument_group("movies")
    movies.add_argument("--top", type=int, metavar="N", help="movies per user (default: top_k of params.yaml)")
    movies.add_argument("--genre", action="append", help="only movies of this genre; repeatable, for any of them")
    movies.add_argument("--exclude-genre", action="append", metavar="GENRE", help="no movies of this genre; repeatable")
    movies.add_argument("--year", metavar="YEARS", help="only movies of these years: 1994 or 1990-1999")
    movies.add_argument("--diversity", type=float, metavar="X", help="0 to 1: diversity of the list")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each user")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER", help=f"default: {MODELS}")
    args = parser.parse_args(argv)
    args.at = args.at and seconds(args.at)
    new = args.like or args.dislike or args.gender
    if args.watched and not args.user:
        raise UserError("--watched needs --user.")
    if args.at is not None and not args.user:
        raise UserError("--at needs --user.")
    if args.similar and args.diversity is not None:
        raise UserError("--diversity does not apply to --similar.")
    if sum(map(bool, (args.user, new, args.similar))) != 1:
        raise UserError("ask by one of --user, --like (with --dislike, --gender) and --similar.")
    return args


def update_arguments(argv: Sequence[str], prog: str = "python -m movierec update") -> argparse.Namespace:
    """The arguments of `update`; exits with a message where one is invalid."""
    parser = argparse.ArgumentParser(prog, description="New ratings, users and movies in a trained model.")
    what = "of data in any layout that `dataset: path` takes: what is new, or all; repeatable"
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help=what)
    parser.add_argument("--models", type=Path, default=MODELS, help=f"the trained model (default: {MODELS})")
    parser.add_argument("--to", type=Path, default=UPDATED, help=f"for the updated model (default: {UPDATED})")
    return parser.parse_args(argv)


def seconds(moment: str) -> int:
    """An ISO date or time, in UTC where it names no zone, in seconds since 1970; a UserError if it is none."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise UserError(f"--at {moment} is no time; write it as 2003-02-28 or 2003-02-28T20:00.") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def answer(args: argparse.Namespace, params: "Params") -> None:
    """Print recommendations; the defaults of the options are params.

    Raises:
        UserError: an unknown user or movie, or a wrong filter.
    """
    from movierec.recommend.filters import Filters
    from movierec.recommend.recommender import Recommender

    only = "|".join(args.genre or [params.only_genres])
    excluded = "|".join(args.exclude_genre or [params.not_genres])
    filters = Filters.from_text(only, excluded, args.year or params.only_years)
    asked: dict[str, Any] = {"k": params.top_k if args.top is None else args.top, "filters": filters}
    diverse = asked | {"diversity": params.diversity if args.diversity is None else args.diversity}
    recommender = Recommender.load(args.models)
    if args.similar:
        movie_id = movie_of(recommender, args.similar)
        title = recommender.title_of(movie_id)
        movies = recommender.similar(movie_id, **asked)
        show(args, recommender, f"Like {title}", {"movie_id": movie_id, "title": title}, movies=movies)
    elif args.user:
        show_users(args, recommender, diverse)
    else:
        liked, disliked = ([movie_of(recommender, text) for text in of or []] for of in (args.like, args.dislike))
        movies = recommender.recommend_new(liked, disliked, args.gender, because=True, **diverse)
        words = [f"likes {', '.join(map(recommender.title_of, liked))}"] * bool(liked)
        words += [f"dislikes {', '.join(map(recommender.title_of, disliked))}"] * bool(disliked)
        words += [f"gender {args.gender}"] * bool(args.gender)
        said = {"likes": liked, "dislikes": disliked, "gender": args.gender}
        show(args, recommender, f"Someone new: {'; '.join(words)}", said, movies=movies)


def movie_of(recommender: "Recommender", text: str) -> "Id":
    """The MovieID of a title or id; where a title is not clear, a terminal is asked.

    Raises:
        UserError: an unknown title, or one that is not clear, with the ids that it may be.
    """
    from movierec.recommend.titles import Unclear

    try:
        return recommender.movie_id(text)
    except Unclear as error:
        ids = [recommender.item_ids[index] for index in error.candidates[:MAX_CHOICES]]
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserError(f"{error} Ids are taken too: {', '.join(map(str, ids))}.") from None
        print(f"'{text}' may be")
        for number, movie_id in enumerate(ids, 1):
            print(f"{number:3}  {recommender.title_of(movie_id)}")
        try:
            answer = input("Which one? ").strip()
        except EOFError:
            answer = ""
        if answer not in map(str, range(1, len(ids) + 1)):
            raise UserError(f"'{answer}' is not a number from 1 to {len(ids)}.") from None
        return recommender.movie_id(str(ids[int(answer) - 1]))


def show_users(args: argparse.Namespace, recommender: "Recommender", asked: dict[str, Any]) -> None:
    """The best ratings of each user, and the recommendations."""
    from movierec.recommend.printing import as_records, print_movies

    watched = [movie_of(recommender, text) for text in args.watched or []]
    users = list(dict.fromkeys(recommender.user_id(user) for user in args.user))
    found = recommender.recommend(users, watched=watched, at=args.at, because=True, **asked)
    for user_id in users:
        liked = recommender.taste(user_id, LIKED)
        if not args.json:
            n_rated = recommender.n_rated(user_id)
            print_movies(recommender, f"User {user_id} has rated {n_rated:,} movies, these among the best", liked)
        title = f"Recommended to user {user_id}"
        if recommender.follows_time:
            last = watched[::-1] or recommender.last_watched(user_id)["MovieID"]
            title += f", who last watched {', '.join(map(recommender.title_of, last))}"
        said = {"user_id": user_id, "liked": as_records(recommender, liked)}
        show(args, recommender, title, said, movies=found[found["UserID"] == user_id].drop(columns="UserID"))


def show(
    args: argparse.Namespace, recommender: "Recommender", title: str, said: dict[str, Any], *, movies: "pd.DataFrame"
) -> None:
    """Print a table, or with --json a line with what was asked."""
    from movierec.recommend.printing import as_records, print_movies

    if args.json:
        print(json.dumps(said | {"recommendations": as_records(recommender, movies)}, ensure_ascii=False))
    else:
        print_movies(recommender, title, movies)
