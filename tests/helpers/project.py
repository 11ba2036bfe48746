"""A copy of the project as a repository of its own, and DVC in it as a person runs it."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from imports import ROOT
from stage_runner import SMALL, run_stage, write_params


class Project:
    """A copy of the project's files, as a repository of its own."""

    def __init__(self, folder, data, **environment):
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "DVC_", "GIT_"))}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.environment['PATH']}"
        self.environment |= {"COLUMNS": "200", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"} | environment
        listed = self.call("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0")
        for name in filter(None, listed):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        (folder / "dvc.lock").unlink(missing_ok=True)
        self.set_params(data_path=str(data), **SMALL)
        self.call("git", "init", "-q")
        self.commit("start")

    def call(self, *command, cwd=None, ok=True):
        """Run a command; its standard output and errors."""
        # A file, not a pipe: workers of DVC's queue inherit it, and may outlive the command that started them.
        with tempfile.TemporaryFile("w+") as out:
            into = {"stdout": out, "stderr": subprocess.STDOUT}
            done = subprocess.run(command, cwd=cwd or self.folder, env=self.environment, **into)
            out.seek(0)
            output = out.read()
        assert (done.returncode == 0) == ok, f"{command}: {done.returncode}\n{output}"
        return output

    def dvc(self, *arguments, ok=True):
        return self.call(sys.executable, "-m", "dvc", *arguments, ok=ok)

    def recommend(self, *arguments, ok=True):
        """The output of stages/recommend.py, run in this process, which saves the loading of the libraries."""
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
            patch.setenv("COLUMNS", self.environment["COLUMNS"])
            stopped = run_stage("recommend", self.folder, patch, arguments)
        assert (stopped is None) == ok, stopped
        return out.getvalue() + (f"{stopped}\n" if stopped else "")

    def commit(self, message):
        self.call("git", "add", "-A")
        self.call("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)

    def metric(self, part, name):
        """A metric by model."""
        return json.loads((self.folder / f"metrics/{part}/{name}.json").read_text())

    def set_params(self, **values):
        """Change some params; those of a group are a dictionary."""
        path = self.folder / "params.yaml"
        write_params(path, start=path, **values)


def part_of(name):
    """The path of a part of the split."""
    return f"data/{'test' if name == 'test' else 'split'}/{name}.parquet"


def stages_run(output):
    return re.findall(r"Running stage '([\w-]+)'", output)
