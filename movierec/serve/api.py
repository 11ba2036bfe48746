"""Recommendations over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Body, FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, BeforeValidator, Field, Strict

from movierec import __version__
from movierec.recommend.filters import Filters
from movierec.recommend.lookup import Id
from movierec.recommend.printing import as_records
from movierec.recommend.ranker import Asked, Movies, Ranker
from movierec.serve.events import Events
from movierec.utils.errors import UserError, printable

MAX_TOP, MAX_MOVIES, MAX_TEXT, MAX_BODY = 1000, 500, 200, 100_000  # the last in bytes
THREADS = 2
LARGEST = 2**53 - 1  # that JSON keeps; a larger id is text


def _no_bool(value: Any) -> Any:
    """Pydantic takes true for 1."""
    if isinstance(value, bool):
        raise ValueError("must not be true or false")
    return value


def _no_text(value: Any) -> Any:
    """Pydantic takes "007" for 7, which are different ids."""
    if isinstance(value, str):
        raise ValueError("must be a number")
    return _no_bool(value)


Number, Whole = BeforeValidator(_no_bool), BeforeValidator(_no_text)
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[int, Field(ge=-LARGEST, le=LARGEST), Whole] | Text  # an id, or a title
Names = Annotated[list[Name], Field(max_length=MAX_MOVIES)]
YEARS = r"^(any|[0-9]{4}(-[0-9]{4})?)$"
Weight = Annotated[float, Field(gt=0, le=10), Number]
Seconds = Annotated[int, Field(ge=0, le=2**40), Whole]


class Options(BaseModel):
    """Which movies, and how many."""

    top: Annotated[int, Number] = Field(20, ge=1, le=MAX_TOP, description="movies")
    genre: list[Text] = Field([], max_length=30, description="only movies of any of these genres")
    exclude_genre: list[Text] = Field([], max_length=30, description="no movies of these genres")
    year: str = Field("any", pattern=YEARS, description="only movies of these years", examples=["1990-1999"])
    diversity: Annotated[float, Number] = Field(0, ge=0, le=1, description="of the list")
    because: bool = Field(False, description="with the movies that each recommendation comes from")

    def asked(self) -> Asked:
        """The same for a `Ranker`."""
        filters = Filters.from_text("|".join(self.genre) or "any", "|".join(self.exclude_genre) or "none", self.year)
        return Asked(self.top, filters, self.diversity, self.because)


class Taste(Options):
    """What someone new likes."""

    likes: Names = Field([], description="titles or MovieIDs, the last one watched last", examples=[["Heat (1995)"]])
    weights: list[Weight] | None = Field(None, max_length=MAX_MOVIES, description="of the likes, 1 by default")
    dislikes: Names = Field([], description="titles or MovieIDs")
    gender: Literal["F", "M"] | None = None
    because: Annotated[bool, Strict()] = Field(False, description=Options.model_fields["because"].description)


class Event(BaseModel):
    """A movie that a user has watched."""

    user_id: Name = Field(description="of the data, or a new one", examples=[42])
    movie: Name = Field(description="a title or MovieID", examples=["Heat (1995)"])
    rating: Annotated[float, Number] = Field(5, ge=0, le=1e6, description="in stars; liked from min_rating on")
    timestamp: Seconds | None = Field(None, description="seconds since 1970; now by default")


class Reason(BaseModel):
    """A movie that a recommendation comes from."""

    movie_id: Id
    title: str
    share: float = Field(description="of the score")


class Movie(BaseModel):
    """A recommended movie."""

    movie_id: Id
    title: str
    year: int | None
    genres: list[str]
    rank: int
    score: float
    because: list[Reason] | None = None


class Recommendations(BaseModel):
    """Movies, the best first."""

    recommendations: list[Movie]


class Heard(BaseModel):
    """An event that was taken in."""

    user_id: Id
    movie_id: Id
    is_known_user: bool = Field(description="whether the model was trained with this user")


class Health(BaseModel):
    """The model that is served."""

    status: Literal["ok"]
    version: str
    users: int
    movies: int
    follows_time: bool


class Problem(BaseModel):
    """What is wrong, and what is possible."""

    detail: str


ERRORS: dict[int | str, Any] = {
    400: {"model": Problem, "description": "A body that is no JSON"},
    404: {"model": Problem, "description": "An unknown user, movie or genre, or no movie that passes the filters"},
    409: {
        "model": Problem,
        "description": "A title of several movies, a movie both liked and disliked, years that fall, weights too few",
    },
    413: {"model": Problem, "description": "A body that is too large"},
}


def create_app(ranker: Ranker, events: Events, page: Path | None = None) -> FastAPI:
    """The service.

    Args:
        ranker: of the model.
        events: that come in.
        page: an HTML file at `/`.
    """
    app = FastAPI(title="Movie recommendations", version=__version__, description=__doc__, lifespan=_few_threads)
    app.exception_handler(UserError)(_problem)
    app.middleware("http")(_limit_body)

    @app.get("/health")
    def health() -> Health:
        """Whether the service answers, and with which model."""
        sizes: dict[str, Any] = {"users": len(ranker.user_ids), "movies": len(ranker.item_ids)}
        return Health(status="ok", version=ranker.version, follows_time=ranker.follows_time, **sizes)

    @app.get("/recommend/{user_id}", responses=ERRORS)
    def recommend(user_id: Text, options: Annotated[Options, Query()]) -> Recommendations:
        """The best movies for a user that they have not rated."""
        known, asked = ranker.user_id(user_id), options.asked()
        since = events.since(str(known))
        if since is None:
            return _answer(ranker, ranker.for_user(known, asked))
        liked, disliked = ([ranker.movie_id(str(of)) for of in movies] for movies in since)
        if _is_known(ranker, known):
            return _answer(ranker, ranker.for_user(known, asked, watched=liked, disliked=disliked))
        return _answer(ranker, ranker.for_new(liked, disliked, None, asked))

    @app.post("/recommend", responses=ERRORS)
    def recommend_new(taste: Annotated[Taste, Body()]) -> Recommendations:
        """The best movies for someone new, by likes, dislikes and gender."""
        liked, disliked = ([ranker.movie_id(str(of)) for of in names] for names in (taste.likes, taste.dislikes))
        return _answer(ranker, ranker.for_new(liked, disliked, taste.gender, taste.asked(), weights=taste.weights))

    @app.get("/similar/{movie}", responses=ERRORS)
    def similar(movie: Text, options: Annotated[Options, Query()]) -> Recommendations:
        """The nearest movies by the graph model; the score is the cosine."""
        return _answer(ranker, ranker.near(ranker.movie_id(movie), options.asked()._replace(because=False)))

    @app.post("/event", responses=ERRORS)
    def event(heard: Annotated[Event, Body()]) -> Heard:
        """Take in that a user has watched a movie; the next recommendations know of it."""
        user_id, movie_id = ranker.user_id(str(heard.user_id)), ranker.movie_id(str(heard.movie))
        ranker.items_of(movie_id)
        events.add(str(user_id), str(movie_id), heard.rating, heard.timestamp)
        return Heard(user_id=user_id, movie_id=movie_id, is_known_user=_is_known(ranker, user_id))

    if page:
        app.get("/", include_in_schema=False)(lambda: FileResponse(page, media_type="text/html"))
    return app


@asynccontextmanager
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    """A request is computed by one of a few threads, as more would take turns and all be late."""
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _is_known(ranker: Ranker, user_id: Id) -> bool:
    return bool((ranker.user_ids == user_id).any())


def _answer(ranker: Ranker, movies: Movies) -> Any:
    """Recommendations as JSON, whose fields are already those of the model."""
    return JSONResponse({"recommendations": as_records(ranker, movies)})


def _problem(request: Request, error: Exception) -> JSONResponse:
    """The response to a `UserError`: 404 where there is nothing, 409 for what contradicts itself."""
    detail = printable(str(error))
    return JSONResponse({"detail": detail}, status_code=404 if detail.startswith("no ") else 409)


async def _limit_body(request: Request, go_on: Callable) -> Any:
    """Refuse a body that is larger than `MAX_BODY`, or whose length is not said."""
    length = request.headers.get("content-length", "0")
    if "transfer-encoding" in request.headers or not length.isdigit() or int(length) > MAX_BODY:
        detail = f"the body must say its length, of at most {MAX_BODY:,} bytes"
        return JSONResponse({"detail": detail}, status_code=413)
    return await go_on(request)
