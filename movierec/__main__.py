"""`python -m movierec`, in the project's folder."""

import os
import sys
from pathlib import Path

os.environ.setdefault("DGL", "off")  # torch sums a few messages as fast, and DGL takes half a second to load

from movierec.recommend import cli
from movierec.utils.errors import UserError, printable

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a title's letters
    try:
        is_update = sys.argv[1:2] == ["update"]
        args = cli.update_arguments(sys.argv[2:]) if is_update else cli.arguments(sys.argv[1:])
        from movierec.utils.params import read_params  # by now the arguments are valid

        params = read_params(Path("params.yaml"))
        if is_update:
            from movierec.update import update

            update(args.folders, params, args.models, args.to)
        else:
            cli.answer(args, params)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        sys.exit(f"movierec: {printable(str(error))}")
