"""`python -m movierec`, in the project's folder."""

import sys
from pathlib import Path

from movierec.recommend import cli
from movierec.utils.errors import UserError
from movierec.utils.params import read_params

if __name__ == "__main__":
    try:
        cli.main(sys.argv[1:], read_params(Path("params.yaml")))
    except UserError as error:
        sys.exit(f"movierec: {error}")
