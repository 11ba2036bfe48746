"""What every stage script needs before its own work: the library on the path, and plain errors.

Imported first, by its plain name: Python puts the folder of a script on its path.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# DGL otherwise asks for its backend on first import, and writes the answer to the home folder.
os.environ.setdefault("DGLBACKEND", "pytorch")

for package in ("torch", "dgl", "pandas", "ruamel.yaml", "pooch"):
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    if found is None:
        # DVC's temporary copies lie inside the project, below .dvc/tmp, and have no .venv of their own.
        home = next((folder for folder in (ROOT, *ROOT.parents) if (folder / ".venv").is_dir()), None)
        activate = f"source {home}/.venv/bin/activate" if home else f"cd {ROOT} && make setup && source .venv/bin/activate"
        sys.exit(
            f"{Path(sys.argv[0]).stem}: {sys.executable} lacks '{package}'; "
            f"activate the project's environment first: {activate}"
        )

from movierec.errors import UserError  # noqa: E402
from movierec.params import read_params  # noqa: E402


def params(*keys: str):
    """The named params of params.yaml, checked; each stage names exactly those that dvc.yaml declares for it."""
    return read_params(ROOT / "params.yaml", keys)


def run(main: Callable[[], None]) -> None:
    """Run a stage: from the project's root, with one line and exit code 1 for an error that a person can mend.

    MOVIEREC_DEBUG=1 shows the traceback as well.
    """
    os.chdir(ROOT)
    try:
        main()
    except UserError as error:
        if os.environ.get("MOVIEREC_DEBUG"):
            raise
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
