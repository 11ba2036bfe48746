"""The commands of `movierec`, and what they run."""

import argparse
import importlib.util
import os
import sys
import webbrowser
from pathlib import Path
from typing import Any

from movierec.recommend import cli
from movierec.utils.errors import UserError, printable

PARAMS, PAGE = Path("params.yaml"), Path("plots/recommendations.html")


def main() -> None:
    """Run a command; a UserError is one line, and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a title's letters
    try:
        run(cli.arguments(sys.argv[1:]))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        sys.exit(f"movierec: {printable(str(error))}")


def run(args: argparse.Namespace) -> None:
    """Run the command of valid arguments."""
    if args.command == "update":
        os.environ.setdefault("DGL", "off")  # torch sums a few messages as fast, and DGL takes half a second to load
        from movierec.update import update
        from movierec.utils.params import read_params

        update(args.folders, read_params(PARAMS), args.models, args.to)
    elif args.command == "serve":
        from movierec.serve.server import serve

        kept = {"titles": args.titles, "events": args.events, "min_rating": defaults().min_rating}
        serve(args.models, args.host, args.port, **kept, page=PAGE)
    elif args.command == "export":
        from movierec.recommend.export import export

        export(args.models, args.to, args.public)
        print(f"{args.to.stat().st_size / 1e6:.0f} MB: {args.to}")
    elif args.command == "page":
        if not PAGE.exists():
            raise UserError(f"{PAGE} is missing; `dvc repro page` makes it.")
        print(PAGE)
        webbrowser.open(PAGE.resolve().as_uri())
    elif args.command == "info":
        cli.info(args)
    else:
        cli.answer(args, defaults())


def defaults() -> Any:
    """The params of params.yaml; without it, or without the libraries that read it, the defaults of the options."""
    if not PARAMS.exists() or importlib.util.find_spec("pydantic") is None:
        return cli.Defaults()
    from movierec.utils.params import read_params

    return read_params(PARAMS)
