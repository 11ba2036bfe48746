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

for package in ("torch", "dgl", "pandas", "duckdb", "ruamel.yaml", "pooch"):
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

from movierec.errors import UserError, cannot_write  # noqa: E402
from movierec.params import read_params  # noqa: E402


def params(*keys: str):
    """The named params of params.yaml, checked; each stage names exactly those that dvc.yaml declares for it."""
    return read_params(ROOT / "params.yaml", keys)


def run(main: Callable[[], None]) -> None:
    """Run a stage: from the project's root, with one line and exit code 1 for what a person can mend, a traceback for a bug of ours.

    MOVIEREC_DEBUG=1 shows the traceback always.
    """
    os.chdir(ROOT)
    name, debug = Path(sys.argv[0]).stem, bool(os.environ.get("MOVIEREC_DEBUG"))
    try:
        main()
    except KeyboardInterrupt:
        if debug:
            raise
        print(f"{name}: interrupted; what it had written is whole, and `dvc repro` goes on from there.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        message = mendable(error)
        if debug or message is None:
            raise
        if "MOVIEREC_STOPPED" in os.environ:  # one of several processes, which torchrun would start again: who started them says it
            Path(os.environ["MOVIEREC_STOPPED"]).write_text(f"{name}: {message}", encoding="utf-8")
            sys.exit(0)
        sys.exit(f"{name}: {message}")


def mendable(error: Exception) -> str | None:
    """What to tell about an error that a person can mend; None for a bug of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch raises a RuntimeError
        return (
            "not enough memory; close other programs, or make the job smaller in params.yaml: a higher k_core, "
            "a lower kernel_max_nodes, ease_max_items or embedding_dim. MOVIEREC_DEBUG=1 shows where."
        )
    if isinstance(error, OSError) and error.errno:
        return cannot_write(error.filename, error)
    return None
