"""Kill stages at many moments, each in a process of its own, and check the files that are left.

Run by test_faults.py; by hand with more kills: PYTHONPATH=.:tests/helpers python tests/stages/kill_stages.py DATA 100

A process is forked for each run, so that none has to load the libraries again. DATA is a data set (`dataset: path`).
"""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from stage_runner import ORDER, SMALL, load, outputs, run_stage, set_up


def hashes(folder: Path, stage: str) -> dict[str, str]:
    """The hash of each file that a stage has written and that is there."""
    found = {}
    for path in (folder / out for out in outputs(stage.replace("_", "-"))):
        for file in (
            [path]
            if path.is_file()
            else sorted(p for p in path.glob("**/*") if p.is_file() and not p.name.startswith("."))
        ):
            found[str(file.relative_to(folder))] = hashlib.md5(file.read_bytes()).hexdigest()
    return found


def forget(folder: Path, stage: str) -> None:
    """Remove a stage's outputs, as DVC does before it runs the stage."""
    for path in (folder / out for out in outputs(stage.replace("_", "-"))):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def run_apart(stage: str, folder: Path, prepare=lambda: None) -> int:
    """Start a stage in a process of its own: its pid."""
    pid = os.fork()
    if pid:
        return pid
    with contextlib.suppress(BaseException):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        prepare()
        with pytest.MonkeyPatch.context() as patch:
            os._exit(0 if run_stage(stage, folder, patch) is None else 1)
    os._exit(2)


def wait(pid: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at_rename(number: int, after: bool) -> None:
    """Let this process kill itself at its n-th rename, just before or just after it."""
    rename, left = os.replace, [number]

    def replace(source, target):
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


def kill_once(stage: str, folder: Path, whole: dict[str, str], seconds: float, rng: random.Random) -> str:
    """Kill a stage at some moment, check what is left, and let it run again: how it was killed.

    Raises:
        AssertionError: a file is there that is not whole, or the second run gives another.
    """
    forget(folder, stage)
    how = rng.choice(["kill -9", "kill -9", "Ctrl-C", "before a rename", "after a rename"])
    if how.endswith("rename"):
        number = rng.randrange(1, len(whole) + 1)
        code = wait(run_apart(stage, folder, lambda: die_at_rename(number, how.startswith("after"))))
    else:
        pid = run_apart(stage, folder)
        time.sleep(rng.random() * seconds)
        os.kill(pid, signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
        code = wait(pid)
    left = hashes(folder, stage)
    assert all(whole[name] == of for name, of in left.items()), (
        f"{stage}, {how}: {sorted(left)} are not what they look like"
    )
    forget(folder, stage)
    assert wait(run_apart(stage, folder)) == 0, f"{stage} does not run after {how}"
    assert hashes(folder, stage) == whole, f"{stage} gives something else after {how}"
    assert not [*folder.glob("**/*partial*")], f"{stage} leaves a part behind after {how}"
    return f"{how}: {'done before it' if code == 0 else f'{len(left)} of {len(whole)} files there'}"


def main(data: str, kills: int) -> None:
    rng = random.Random(1)
    for stage in ORDER:
        load(stage)  # its libraries, once for all
    with tempfile.TemporaryDirectory() as scratch:
        folder = set_up(Path(scratch), data_path=data, **SMALL)
        whole, seconds = {}, {}
        for stage in ORDER:
            began = time.perf_counter()
            assert wait(run_apart(stage, folder)) == 0, stage
            whole[stage], seconds[stage] = hashes(folder, stage), time.perf_counter() - began
        print("  ".join(f"{stage} {took:.1f} s" for stage, took in seconds.items()), flush=True)
        for number in range(kills):
            stage = ORDER[number % len(ORDER)]
            print(
                f"{number + 1:4}  {stage:20} {kill_once(stage, folder, whole[stage], seconds[stage], rng)}", flush=True
            )
        after = {stage: hashes(folder, stage) for stage in ORDER}
    assert after == whole
    print(f"{kills} kills, no difference")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
