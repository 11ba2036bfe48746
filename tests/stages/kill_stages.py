"""Kill stages, or the whole pipeline, at many moments, and check the files that are left.

Run by test_faults.py; by hand with more kills:

    PYTHONPATH=.:tests/helpers python tests/stages/kill_stages.py DATA 100          each stage, on a data set
    PYTHONPATH=.:tests/helpers python tests/stages/kill_stages.py DATA 100 dvc      `dvc repro`; or make: `make repro`

For a stage, a process is forked for each run, so that none has to load the libraries again. For the pipeline, stages
are replaced by short ones with the same inputs and outputs: what is killed is mostly DVC.
"""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from project import Project
from stage_runner import ORDER, SMALL, STAGES, load, outputs, run_stage, set_up

from movierec.utils.params import read_yaml


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


SHORT_STAGE = """
import hashlib
import pathlib

reads, writes = {reads!r}, {writes!r}
found = hashlib.md5()
for path in map(pathlib.Path, reads):
    for file in sorted(path.glob("**/*")) if path.is_dir() else [path]:
        found.update(file.read_bytes() if file.is_file() else b"")
for name in writes:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.hexdigest() + name)
"""
MAKE_REPRO = "import sys; sys.path.insert(0, 'tools'); import repro; repro.summary = print; sys.exit(repro.main())"
REPRO = {"dvc": [sys.executable, "-m", "dvc", "repro"], "make": [sys.executable, "-c", MAKE_REPRO]}


def short_project(folder: Path, data: str) -> Project:
    """The project with short stages, and in its last commit a run with other params than those that it has now."""
    project = Project(folder, data)
    read = {stage: [dep for dep in of["deps"] if dep.startswith(("data/", "models/"))] for stage, of in STAGES.items()}
    inside = {dep for deps in read.values() for dep in deps}
    for stage in STAGES:
        reads = ["params.yaml", *read[stage]]
        writes = []
        for out in outputs(stage):
            files = [dep for dep in inside if dep.startswith(f"{out}/")]
            writes += [out] if Path(out).suffix else sorted(files) or [f"{out}/x"]
        script = SHORT_STAGE.format(reads=reads, writes=writes)
        (folder / "stages" / f"{stage.replace('-', '_')}.py").write_text(script)
    project.call(*REPRO["dvc"])
    project.commit("a run")
    project.set_params(seed=2)
    return project


def kill_repro(project: Project, kind: str, moment: float) -> tuple[bool, bool]:
    """Kill a run that begins without a cache after some seconds, and let it run again by the same command.

    Returns:
        Whether the second run succeeded, and whether `make repro` did, after it if it failed.
    """
    for path in (".dvc/cache", ".dvc/tmp", *(out for stage in STAGES for out in outputs(stage))):
        shutil.rmtree(project.folder / path, ignore_errors=True)
        (project.folder / path).unlink(missing_ok=True) if not (project.folder / path).is_dir() else None
    project.call("git", "checkout", "-q", "dvc.lock")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    where = {"cwd": project.folder, "env": project.environment}
    running = subprocess.Popen(REPRO[kind], start_new_session=True, **where, **quiet)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    again = subprocess.run(REPRO[kind], **where, **quiet).returncode == 0
    if again:
        return True, True
    mending = subprocess.run(REPRO["make"], **where, capture_output=True, text=True)
    if mending.returncode:
        print(mending.stdout[-2000:], mending.stderr[-2000:], flush=True)
    return False, mending.returncode == 0


def main_repro(data: str, kills: int, kind: str) -> None:
    rng = random.Random(kills)
    with tempfile.TemporaryDirectory() as scratch:
        project = short_project(Path(scratch), data)
        lock = project.folder / "dvc.lock"
        began = time.perf_counter()
        kill_repro(project, kind, 0)
        seconds, whole = time.perf_counter() - began, read_yaml(lock)
        failed = 0
        for number in range(kills):
            moment = rng.random() * seconds
            again, mended = kill_repro(project, kind, moment)
            assert mended, f"after a kill at {moment:.2f} of {seconds:.2f} s, `make repro` fails"
            assert read_yaml(lock) == whole, f"another dvc.lock after a kill at {moment:.2f} s"
            failed += not again
            print(f"{number + 1:4}  {moment:.2f} s", "" if again else "needs `make repro`", flush=True)
        print(f"{kills} kills of {kind} repro, {failed} mended by `make repro` alone, no difference")


if __name__ == "__main__":
    if sys.argv[3:]:
        main_repro(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        main(sys.argv[1], int(sys.argv[2]))
