"""Shared by the stages: the library on the path, the params that dvc.yaml declares for it, and readable errors.

Imported first, by its plain name: Python puts a script's folder on the path.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import movierec  # noqa: F401  # before NumPy: it pins the code that the libraries choose by processor


def home() -> Path:
    """The project; seen from one of DVC's temporary copies, which lie in it below .dvc/tmp/exps, the one around it."""
    return next((folder.parents[2] for folder in ROOT.parents if folder.match(".dvc/tmp/exps")), ROOT)


for package in ("torch", "pandas", "duckdb", "pydantic", "ruamel"):
    if importlib.util.find_spec(package) is None:
        activate = f"source {home()}/.venv/bin/activate"
        if not (home() / ".venv").is_dir():
            activate = f"cd {home()} && make setup && source .venv/bin/activate"
        stage = Path(sys.argv[0]).stem
        sys.exit(f"{stage}: {sys.executable} lacks '{package}'; activate the project's environment first: {activate}")

import numpy as np
import pandas as pd

from movierec.utils.errors import UserError, cannot_write, printable
from movierec.utils.group import ALONE, Group
from movierec.utils.params import Params, only, read_params, read_yaml
from movierec.utils.storage import read_table

PIPELINE = ROOT / "dvc.yaml"
OWN_DATA = Path("data/own_data.json")  # what `own-data` writes and `download` reads
BUSY = ExitStack()  # the spinner of a stage that DVC runs on a terminal
CHECKPOINTS = Path("data/checkpoints")  # no output: DVC would remove them before the run that resumes
PARTS = {"train": "data/split/train.parquet", "valid": "data/split/valid.parquet", "test": "data/test/test.parquet"}


def params() -> Params:
    """The params that dvc.yaml declares for this stage; reading any other raises an AttributeError."""
    name = Path(sys.argv[0]).stem.replace("_", "-")
    declared = read_yaml(PIPELINE)["stages"][name].get("params", [])
    return only(read_params(ROOT / "params.yaml"), declared)


def at_home(path: str) -> Path:
    """A path that may be relative to the project, also from a temporary copy of it."""
    return Path(path) if home() == ROOT else home() / path


def join(device: str, processes: int) -> Group:
    """The processes that work together: those of torchrun, or as many as are wanted on this machine; or this one alone.

    Raises:
        UserError: there are fewer GPUs than processes.
    """
    if processes == 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    from movierec.utils import distributed  # torch takes a second to load

    BUSY.close()  # other processes print, too
    return distributed.join(device, processes)


def read_parts(*names: str) -> list[pd.DataFrame]:
    """The interactions of some parts of the split: train, valid, test."""
    return [read_table(Path(PARTS[name])) for name in names]


def read_moments(moments: dict[str, tuple[str, ...]]) -> dict[str, list[pd.DataFrame]]:
    """By moment, the interactions of the parts of the split that are known then; each part is read once."""
    names = sorted({part for parts in moments.values() for part in parts})
    tables = dict(zip(names, read_parts(*names), strict=True))
    return {moment: [tables[part] for part in parts] for moment, parts in moments.items()}


def read_ids() -> tuple[np.ndarray, np.ndarray]:
    """The UserID of each user index, and the MovieID of each item index."""
    users, movies = (read_table(Path(f"data/split/{name}.parquet")) for name in ("users", "items"))
    return users["UserID"].to_numpy(), movies["MovieID"].to_numpy()


def run(main: Callable[[], None], has_bar: bool = False) -> None:
    """Run a stage in the project's root, with one line and exit code 1 for a UserError, and a traceback for a bug.

    MOVIEREC_DEBUG=1 always shows the traceback. A stage that `has_bar` shows its progress itself.
    """
    os.chdir(ROOT)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # DVC shows each line at once; a terminal may lack a title's letters
            stream.reconfigure(line_buffering=True, errors="replace")
    stage, debug = Path(sys.argv[0]).stem, bool(os.environ.get("MOVIEREC_DEBUG"))
    try:
        with BUSY:
            by_dvc = "DVC_STAGE" in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ
            if by_dvc and sys.stdout.isatty() and not has_bar:
                from rich.console import Console

                BUSY.enter_context(Console().status(stage))
            main()
    except KeyboardInterrupt:
        if debug:
            raise
        print(
            f"{stage}: interrupted; the files it wrote are complete, and `dvc repro` goes on from there.",
            file=sys.stderr,
        )
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        message = user_message(error)
        if debug or message is None:
            raise
        if (
            "MOVIEREC_STOPPED" in os.environ
        ):  # one of several processes: torchrun must not restart it, and its parent says why
            Path(os.environ["MOVIEREC_STOPPED"]).write_text(f"{stage}: {message}", encoding="utf-8")
            sys.exit(0)
        sys.exit(f"{stage}: {message}")


def check_dense(param: str, n: int, way_out: str) -> None:
    """A UserError that names the param if a dense fit over n nodes does not fit into the memory of this machine."""
    need = 4 * 4 * n * n  # bytes of four float32 matrices: to invert, its inverse, the best so far, and a product
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > memory:
        sizes = f"{need / 2**30:.0f} GiB of memory, but this machine has {memory / 2**30:.0f} GiB"
        raise UserError(f"params.yaml: {param}, and {n:,} would need {sizes}; {way_out}.")


def user_message(error: Exception) -> str | None:
    """The message for an error that the user can fix; None for a bug."""
    if isinstance(error, UserError):
        return printable(str(error))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch raises a RuntimeError
        return (
            "not enough memory; close other programs, or make the job smaller in params.yaml: a higher k_core, "
            "a lower ease.max_items or embedding_dim. MOVIEREC_DEBUG=1 shows where."
        )
    if isinstance(error, OSError) and error.errno:
        return cannot_write(error.filename, error)
    return None
