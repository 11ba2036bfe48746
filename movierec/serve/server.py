"""`movierec serve`: the service as a process on this machine."""

from pathlib import Path

from movierec.recommend.ranker import Ranker
from movierec.utils.errors import UserError


def serve(
    models: Path,
    host: str,
    port: int,
    *,
    titles: Path | None = None,
    events: Path | None = None,
    min_rating: float = 3.0,
    page: Path | None = None,
) -> None:
    """Serve recommendations until the process is stopped.

    Args:
        models: of the trained model; see `Ranker.load`.
        host: an address of this machine.
        port: TCP.
        titles: for a model without them.
        page: an HTML file for `/`.
        min_rating: of an event, from which its movie is liked.
        events: a folder for what users watch; None: it is forgotten at the end.

    Raises:
        UserError: FastAPI is not installed, or the model or the events cannot be read.
    """
    try:
        import uvicorn

        from movierec.serve.api import create_app
        from movierec.serve.events import Events
    except ImportError:
        raise UserError("FastAPI and uvicorn are not installed: pip install 'movierec[serve]'.") from None
    ranker = Ranker.load(models, titles)
    ranker.by_user.prepare()
    app = create_app(ranker, Events(events, min_rating), page if page and page.exists() else None)
    uvicorn.run(app, host=host, port=port, log_level="warning")
