"""The best movies for every user; or, with an option, for chosen users, for someone new, or like a movie, printed.

    python stages/recommend.py                                        all users, to data/recommendations/
    python stages/recommend.py --user 42 --user 7 --top 10
    python stages/recommend.py --user 42 --watched 260                what comes next, once they have watched this too
    python stages/recommend.py --like "Heat (1995)" --like "toy story" --dislike "Batman Forever" --gender F
    python stages/recommend.py --similar "Blade Runner"
    ... --genre Drama --exclude-genre War --year 1990-1999 --diversity 0.3 --json
"""

import argparse
import json
from pathlib import Path

import _stage

from movierec.errors import UserError
from movierec.filters import filters_of
from movierec.presenting import as_records, print_movies
from movierec.recommender import Recommender
from movierec.storage import write_csv, write_table

RECOMMENDATIONS = Path("data/recommendations/recommendations.parquet")
LIKED = 8  # movies that show what a user likes


def main() -> None:
    args = arguments()
    params = _stage.params("top_k", "only_genres", "not_genres", "only_years", "diversity", "recommendations_as")
    filters = filters_of(
        "|".join(args.genre or [params.only_genres]), "|".join(args.exclude_genre or [params.not_genres]), args.year or params.only_years
    )
    asked = {"k": params.top_k if args.top is None else args.top, "filters": filters}
    varied = asked | {"diversity": params.diversity if args.diversity is None else args.diversity}
    recommender = Recommender.load("models")
    if args.similar:
        movie_id = recommender.find(args.similar)
        similar = recommender.similar(movie_id, **asked)
        show(args, recommender, f"Like {recommender.title_of(movie_id)}", {"movie_id": movie_id, "title": recommender.title_of(movie_id)}, similar)
    elif args.like or args.dislike or args.gender:
        liked, disliked = ([recommender.find(title) for title in titles or []] for titles in (args.like, args.dislike))
        found = recommender.recommend_new(liked, disliked, args.gender, because=True, **varied)
        said = {"likes": liked, "dislikes": disliked, "gender": args.gender}
        words_said = [f"likes {', '.join(map(recommender.title_of, liked))}"] * bool(liked)
        words_said += [f"dislikes {', '.join(map(recommender.title_of, disliked))}"] * bool(disliked) + [f"gender {args.gender}"] * bool(args.gender)
        show(args, recommender, f"Someone new: {'; '.join(words_said)}", said, found)
    elif args.user:
        since = [recommender.movie_id(movie) for movie in args.watched or []]
        users = [recommender.user_id(user) for user in args.user]
        found = recommender.recommend(users, watched=since, because=True, **varied)
        for user_id in dict.fromkeys(users):
            liked = recommender.taste(user_id, LIKED)
            if not args.json:
                print_movies(recommender, f"User {user_id} has rated {recommender.n_rated(user_id):,} movies, these among the best", liked)
            said = {"user_id": user_id, "liked": as_records(recommender, liked)}
            title = f"Recommended to user {user_id}"
            if recommender.follows_time:
                watched = since[::-1] or recommender.last_watched(user_id)["MovieID"]
                title += f", who last watched {', '.join(map(recommender.title_of, watched))}"
            show(args, recommender, title, said, found[found["UserID"] == user_id].drop(columns="UserID"))
    elif args.watched:
        raise UserError("--watched needs --user: whose history goes on?")
    else:
        table = recommender.recommend(None, **varied)
        write_table(table, RECOMMENDATIONS)
        if params.recommendations_as == "parquet+csv":
            write_csv(table, RECOMMENDATIONS.with_suffix(".csv"))
        print(f"{len(table):,} recommendations for {table['UserID'].nunique():,} users: {RECOMMENDATIONS}")
        print(f"for one of them: python stages/recommend.py --user {recommender.user_ids[0]} --top 10")


def show(args: argparse.Namespace, recommender: Recommender, title: str, said: dict, movies) -> None:
    """Print a table, or with --json one line for each who was asked for."""
    if args.json:
        print(json.dumps(said | {"recommendations": as_records(recommender, movies)}, ensure_ascii=False))
    else:
        print_movies(recommender, title, movies)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whom = parser.add_argument_group("for whom")
    whom.add_argument("--user", action="append", metavar="ID", help="for this UserID; may stand several times")
    whom.add_argument("--watched", action="append", metavar="TITLE", help="a movie (title or MovieID) that they have watched since; may stand several times")
    whom.add_argument("--like", action="append", metavar="TITLE", help="for someone new who likes this; may stand several times")
    whom.add_argument("--dislike", action="append", metavar="TITLE", help="and dislikes this; may stand several times")
    whom.add_argument("--gender", choices=("F", "M"), help="of someone new")
    whom.add_argument("--similar", metavar="TITLE", help="movies like this one")
    what = parser.add_argument_group("what")
    what.add_argument("--top", type=int, metavar="N", help="movies per user (default: top_k of params.yaml)")
    what.add_argument("--genre", action="append", metavar="GENRE", help="only movies of this genre; may stand several times, for any of them")
    what.add_argument("--exclude-genre", action="append", metavar="GENRE", help="none of this genre; may stand several times")
    what.add_argument("--year", metavar="YEARS", help="only movies of these years: 1994 or 1990-1999")
    what.add_argument("--diversity", type=float, metavar="X", help="0 to 1: how much variety counts beside relevance")
    parser.add_argument("--json", action="store_true", help="for programs: one line of JSON for each who is asked for")
    return parser.parse_args()


if __name__ == "__main__":
    _stage.run(main)
