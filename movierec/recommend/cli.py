"""Recommendations on the command line.

movierec recommend --user 42 --user 7 --top 10        for users of the data set
movierec recommend --user 42 --watched 260            what comes next, after this one
movierec like "Heat (1995)" "toy story" --dislike "Batman Forever"     for a new user
movierec similar "Blade Runner"                       similar movies
movierec page                                         the page, in a browser
movierec info                                         the trained model
movierec update FOLDER                                new ratings, users and movies in a trained model
movierec export FILE                                  a trained model as one file
movierec serve                                        the same over HTTP

`movierec COMMAND --help` has the options. Without a command, options are those of `recommend`. In the project's folder,
`python -m movierec` does the same.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from movierec.utils.errors import UserError

if TYPE_CHECKING:  # the libraries are loaded when the arguments are valid
    from movierec.recommend.lookup import Id
    from movierec.recommend.ranker import Asked, Movies, Ranker

MODELS, UPDATED = Path("models"), Path("models/updated")
LIKED = 8  # best ratings shown of a user
MAX_CHOICES = 20  # movies that a title may be


class Defaults(NamedTuple):
    """What options default to: params of the same names."""

    top_k: int = 20
    only_genres: str = "any"
    not_genres: str = "none"
    only_years: str = "any"
    diversity: float = 0.0
    min_rating: float = 3.0  # of a liked movie, in `serve`


def arguments(argv: Sequence[str], prog: str = "movierec") -> argparse.Namespace:
    """The arguments of the command line; exits with a message where one is invalid.

    Raises:
        UserError: options that do not go together.
    """
    from rich_argparse import RawDescriptionRichHelpFormatter as Formatter

    parser = argparse.ArgumentParser(prog, description=__doc__, formatter_class=Formatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        about = f"{text[0].upper()}{text[1:]}."
        return commands.add_parser(name, help=text, description=about, parents=parents, formatter_class=Formatter)

    model = argparse.ArgumentParser(add_help=False)
    what = f"of the trained model, or a file of `export` (default: {MODELS})"
    model.add_argument("--models", "--model", type=Path, default=MODELS, metavar="FOLDER", help=what)
    named = argparse.ArgumentParser(add_help=False, parents=[model])
    named.add_argument("--titles", type=Path, metavar="FILE", help="movies.dat or movies.csv, where it has no titles")
    movies = _movie_options()
    recommend = command("recommend", "recommendations for users of the data set, or for a new user", movies, named)
    _user_options(recommend)
    like = command("like", "recommendations for a new user, from movies that they like", movies, named)
    like.add_argument("like", nargs="+", metavar="MOVIE", help="a title or ID")
    _taste_options(like)
    similar = command("similar", "similar movies", movies, named)
    similar.add_argument("similar", metavar="MOVIE", help="a title or ID")
    command("page", "the page with everyone's recommendations, in a browser")
    command("info", "the trained model: data, training, parts", model)
    update = command("update", "new ratings, users and movies in a trained model", model)
    what = "of data in any layout that `dataset: path` takes: what is new, or all; repeatable"
    update.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help=what)
    update.add_argument("--to", type=Path, default=UPDATED, help=f"for the updated model (default: {UPDATED})")
    export = command("export", "the trained model as one file, for use without the project", model)
    export.add_argument("to", type=Path, metavar="FILE", help="to write, such as model.npz")
    export.add_argument("--public", action="store_true", help="without users, ratings and titles, to pass it on")
    serve = command("serve", "recommendations over HTTP, with the page", named)
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    serve.add_argument("--port", type=int, default=8000, help="default: 8000")
    kept = "keeps what users watch, for the next start and for `update`; else it is forgotten at the end"
    serve.add_argument("--events", type=Path, metavar="FOLDER", help=kept)

    if not argv:
        argv = ["--help"]
    elif argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        argv = ["recommend", *argv]
    args = parser.parse_args(argv)
    return _checked(args) if args.command in ("recommend", "like", "similar") else args


def _movie_options() -> argparse.ArgumentParser:
    """The options of lists of movies."""
    parser = argparse.ArgumentParser(add_help=False)
    of = parser.add_argument_group("movies")
    of.add_argument("--top", type=int, metavar="N", help="movies per user (default: top_k of params.yaml, or 20)")
    of.add_argument("--genre", action="append", help="only movies of this genre; repeatable, for any of them")
    of.add_argument("--exclude-genre", action="append", metavar="GENRE", help="no movies of this genre; repeatable")
    of.add_argument("--year", metavar="YEARS", help="only movies of these years: 1994 or 1990-1999")
    of.add_argument("--diversity", type=float, metavar="X", help="0 to 1: diversity of the list")
    output = parser.add_argument_group("output").add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="a line of JSON for each user")
    output.add_argument("--csv", action="store_true", help="a line for each movie, after a header")
    output.add_argument("--no-pager", action="store_true", help="a table longer than the terminal in one go")
    return parser


def _user_options(parser: argparse.ArgumentParser) -> None:
    """The options of `recommend` that say for whom."""
    users = parser.add_argument_group("users")
    users.add_argument("--user", action="append", metavar="ID", help="a UserID; repeatable")
    users.add_argument("--watched", action="append", metavar="MOVIE", help="watched since (title or ID); repeatable")
    users.add_argument("--at", metavar="TIME", help="the moment, in UTC: 2003-02-28T20:00 (default: end of the data)")
    users.add_argument("--like", action="append", metavar="MOVIE", help="a new user likes it (title or ID); repeatable")
    _taste_options(users)
    users.add_argument("--similar", metavar="MOVIE", help="movies similar to this one (title or ID)")


def _taste_options(parser: Any) -> None:
    help_of = "a new user dislikes it (title or ID); repeatable"
    parser.add_argument("--dislike", action="append", metavar="MOVIE", help=help_of)
    parser.add_argument("--gender", choices=("F", "M"), help="of a new user")


def _checked(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments of a question with all options; a UserError where some do not go together."""
    for name in ("user", "watched", "at", "like", "dislike", "gender", "similar"):
        vars(args).setdefault(name, None)
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


def seconds(moment: str) -> int:
    """An ISO date or time, in UTC where it names no zone, in seconds since 1970; a UserError if it is none."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise UserError(f"--at {moment} is no time; write it as 2003-02-28 or 2003-02-28T20:00.") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def answer(args: argparse.Namespace, defaults: Any = Defaults()) -> None:  # noqa: B008
    """Print recommendations; `defaults` are `Defaults`, or params with these names.

    Raises:
        UserError: an unknown user or movie, or a wrong filter.
    """
    from movierec.recommend.filters import Filters
    from movierec.recommend.ranker import Asked, Ranker

    only = "|".join(args.genre or [defaults.only_genres])
    excluded = "|".join(args.exclude_genre or [defaults.not_genres])
    filters = Filters.from_text(only, excluded, args.year or defaults.only_years)
    asked = Asked(defaults.top_k if args.top is None else args.top, filters)
    diverse = asked._replace(diversity=defaults.diversity if args.diversity is None else args.diversity, because=True)
    ranker = Ranker.load(args.models, args.titles)
    if args.similar:
        movie_id = movie_of(ranker, args.similar)
        title = ranker.title_of(movie_id)
        show(args, ranker, f"Like {title}", {"movie_id": movie_id, "title": title}, movies=ranker.near(movie_id, asked))
    elif args.user:
        show_users(args, ranker, diverse)
    else:
        liked, disliked = ([movie_of(ranker, text) for text in of or []] for of in (args.like, args.dislike))
        movies = ranker.for_new(liked, disliked, args.gender, diverse)
        words = [f"likes {', '.join(map(ranker.title_of, liked))}"] * bool(liked)
        words += [f"dislikes {', '.join(map(ranker.title_of, disliked))}"] * bool(disliked)
        words += [f"gender {args.gender}"] * bool(args.gender)
        said = {"likes": liked, "dislikes": disliked, "gender": args.gender}
        show(args, ranker, f"Someone new: {'; '.join(words)}", said, movies=movies)


def movie_of(ranker: "Ranker", text: str) -> "Id":
    """The MovieID of a title or id; where a title is not clear, a terminal is asked.

    Raises:
        UserError: an unknown title, or one that is not clear, with the ids that it may be.
    """
    from movierec.recommend.titles import Unclear

    try:
        return ranker.movie_id(text)
    except Unclear as error:
        ids = [ranker.item_ids[index] for index in error.candidates[:MAX_CHOICES]]
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserError(f"{error} Ids are taken too: {', '.join(map(str, ids))}.") from None
        print(f"'{text}' may be")
        for number, movie_id in enumerate(ids, 1):
            print(f"{number:3}  {ranker.title_of(movie_id)}")
        try:
            answer = input("Which one? ").strip()
        except EOFError:
            answer = ""
        if answer not in map(str, range(1, len(ids) + 1)):
            raise UserError(f"'{answer}' is not a number from 1 to {len(ids)}.") from None
        return ranker.movie_id(str(ids[int(answer) - 1]))


def show_users(args: argparse.Namespace, ranker: "Ranker", asked: "Asked") -> None:
    """The best ratings of each user, and the recommendations."""
    from movierec.recommend.printing import as_records, print_table

    watched = [movie_of(ranker, text) for text in args.watched or []]
    users = list(dict.fromkeys(ranker.user_id(user) for user in args.user))
    for place, (user_id, user) in enumerate(zip(users, ranker.users_of(users), strict=True)):
        movies = ranker.for_user(user_id, asked, watched=watched, at=args.at)
        liked = as_records(ranker, ranker.best_rated(user, LIKED))
        if not args.json and not args.csv:
            print_table(f"User {user_id} has rated {ranker.n_rated(user_id):,} movies, these among the best", liked)
        title = f"Recommended to user {user_id}"
        if ranker.follows_time:
            last = watched[::-1] or [ranker.item_ids[item] for item in ranker.last_items(user, 3)]
            title += f", who last watched {', '.join(map(ranker.title_of, last))}"
        said = {"user_id": user_id, "liked": liked}
        show(args, ranker, title, said, movies=movies, is_first=place == 0)


def show(
    args: argparse.Namespace,
    ranker: "Ranker",
    title: str,
    said: dict[str, Any],
    *,
    movies: "Movies",
    is_first: bool = True,
) -> None:
    """Print a table, or lines of JSON or CSV with what was asked."""
    from movierec.recommend.printing import as_csv, as_records, print_table

    records = as_records(ranker, movies)
    if args.json:
        print(json.dumps(said | {"recommendations": records}, ensure_ascii=False))
    elif args.csv:
        print(as_csv(records, said, header=is_first), end="")
    else:
        print_table(title, records, pages=not args.no_pager)


def info(args: argparse.Namespace) -> None:
    """Print what the trained model is."""
    from movierec.recommend.ranker import Ranker

    ranker = Ranker.load(args.models)
    arrays, params = ranker.arrays, ranker.params
    graph, users, items = (f"{share:.0%}" for share in arrays["mix"])
    parts = {"graph": graph, "similar users": users, "similar movies": items}
    rows = {
        "files": f"{args.models}, by movierec {ranker.version}",
        "users": f"{len(ranker.user_ids):,}",
        "movies": f"{len(ranker.item_ids):,}",
        "interactions": f"{len(arrays['graph.weight']) // 2:,} of training",
        "split": str(params.get("split_strategy", "")),
        "follows time": "yes" if ranker.follows_time else "no",
        "updated": "yes" if ranker.catalogue.is_updated else "no",
        "parts": ", ".join(f"{name} {share}" for name, share in parts.items()),
        "params": ", ".join(f"{name} {params[name]}" for name in ("lr", "embedding_dim", "n_layers") if name in params),
    }
    for name, value in rows.items():
        print(f"{name:13}  {value}")
