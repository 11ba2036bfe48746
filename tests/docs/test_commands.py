"""Every command in README.md, CONTRIBUTING.md and docs/ works, on MovieLens 100K, or is known to be run elsewhere.

The examples of a page run from top to bottom in a copy of the project, with DVC and its stages in this process, which
saves the loading of the libraries; tests/stages/test_pipeline.py runs them as a person does.
"""

import contextlib
import copy
import functools
import io
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import repro
from imports import ROOT
from markdown_pages import Page, pages
from project import Project
from ruamel.yaml import YAML
from stage_runner import ORDER, run_stage

import movierec.recommend.cli as cli
from movierec.command_line import run
from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
PAGES = [*pages(), *(Page(path) for path in [ROOT / "CONTRIBUTING.md"] if path.exists())]
NAME = [page.path.name for page in PAGES]
# Commands that are not run here: a pattern of the whole command, and the test that runs it, with a word of it, or a
# reason.
ELSEWHERE = {
    r"git clone .+|cd \w+|source \.venv/bin/activate": "the copy of the project, and the environment of the tests",
    r"\.venv/bin/pip install .+ torch==.+": "a build of several gigabytes",
    r"gto register recommender": ("tests/stages/test_experiments.py", '"gto", "register", "recommender"'),
    r"dvc (artifacts )?get URL .+": ("tests/stages/test_experiments.py", '"artifacts", "get"'),
    r"dvc queue start -j 2": ("tests/stages/test_experiments.py", '"queue", "start", "-j", "2"'),
    r"dvc exp run -S processes=2|torchrun --nproc-per-node=2 stages/train.py": (
        "tests/utils/test_distributed.py",
        "test_two_processes_train_the_same_model",
    ),
}
# Targets of the Makefile that are not run here.
TARGETS = {
    "setup": "each other target makes the environment first",
    "test": (".ci/run", "make test"),
    "dag": ("tests/tools/test_dag.py", '"tools/dag.py"'),
    "experiments": ("tests/stages/test_experiments.py", "experiments:"),
    "changes": (".github/workflows/ci.yml", "make changes"),
    "tables": ("tests/tools/test_describe.py", "describe.filled("),
    "results": "the stages of benchmarks/dvc.yaml, whose scripts tests/benchmarks/ tests",
    "stale": "its comparison is tested in tests/tools/test_stale.py",
    "sweep": ("tests/stages/test_experiments.py", '"tools/sweep.py"'),
    "sweep-report": ("tests/stages/test_experiments.py", '"tools/sweep_report.py"'),
    "verify": "its comparison is tested in tests/tools/test_verify.py; it runs the pipeline twice",
    "fuzz": ("tests/tools/test_fuzz.py", "fuzz.TESTS"),
    "coverage": "the tests of `make test`",
}
GIT = {"status", "diff", "log", "show", "add", "commit", "checkout", "restore", "switch", "branch"}


def benchmark_stages():
    return YAML(typ="safe").load(ROOT / "benchmarks/dvc.yaml")["stages"]


class Reader:
    """A person who types the commands of the pages in a copy of the project."""

    def __init__(self, project):
        self.project = project
        self.typed = set()  # long commands: once is enough

    def type(self, command):
        """Run a command.

        Raises:
            LookupError: the command is neither run here nor known to be run elsewhere.
            AssertionError: it fails.
        """
        for part in re.split(r"\s+&&\s+", command):
            self.type_one(part)

    def type_one(self, command):
        settings = re.match(r"(?:[A-Z_]+=\S*\s+)*", command)[0]
        words, rest = command[len(settings) :], ""
        if is_elsewhere(command) or is_elsewhere(words):
            return
        unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), words)
        shell = re.search(r"[|>]", unquoted)
        if shell:
            words, rest = words[: shell.start()], words[shell.start() :]
        with pytest.MonkeyPatch.context() as patch:
            for setting in shlex.split(settings):
                patch.setenv(*setting.split("=", 1))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.run(*shlex.split(words))
        if rest:
            environment = self.project.environment
            subprocess.run(f"cat {rest}", input=out.getvalue(), shell=True, check=True, text=True, env=environment)

    def run(self, *words):
        """Run the words of a command, without settings, pipes and files."""
        match words:
            case ("make", *rest):
                (target,) = [word for word in rest if "=" not in word]
                assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE), "no target"
                if target == "repro":
                    assert "make repro" in self.typed or repro.main() == 0
                    self.typed.add("make repro")
                elif target == "help":
                    self.project.call(*words)
                elif target not in TARGETS:
                    raise LookupError
            case ("python", "-m", "movierec", "serve", *_):  # it would not end
                assert cli.arguments(words[3:]).command == "serve"
            case ("python", "-m", "movierec", *rest):
                run(cli.arguments(rest))
            case ("python", "stages/recommend.py", *rest):
                self.project.recommend(*rest)
            case ("pytest" | "python", *rest) if words[0] == "pytest" or rest[:2] == ["-m", "pytest"]:
                for word in rest:
                    path, _, test = word.partition("::")
                    assert "/" not in path or (ROOT / path).exists(), f"no {path}"
                    assert not test or f"def {test.split('[')[0]}(" in (ROOT / path).read_text(), f"no test {test}"
            case ("dvc", "repro" | "status" | "freeze" | "unfreeze", *rest) if "benchmarks/dvc.yaml" in words[-1]:
                name = words[-1].partition(":")[2]
                assert not name or name in benchmark_stages(), f"no stage {name}"
                assert words[1] != "unfreeze" or benchmark_stages()[name].get("frozen"), f"{name} is not frozen"
            case ("dvc", *rest):
                self.dvc(*rest)
            case ("git", command, *_) if command in GIT:
                self.project.call(*words)
            case ("mkdir" | "cp", *rest) if not any(word.startswith(("/", "~", "..")) for word in rest):
                self.project.call(*words)
            case ("python" | ".venv-peers/bin/python", script, *_) if script.startswith("benchmarks/"):
                commands = [shlex.split(stage["cmd"]) for stage in benchmark_stages().values()]
                if not any(list(words) == of[-len(words) :] for of in commands):
                    raise LookupError
            case _:
                raise LookupError

    def dvc(self, *words):
        """Run DVC; MovieLens 100K stands for every release, and a long command runs once."""
        for setting in [word for word in words if word.startswith("dataset=") and word != "dataset=path"]:
            assert setting.removeprefix("dataset=") in RELEASES, f"no data set {setting}"
            words = [word for word in words if word != setting]
            words.remove("-S")
        words = tuple(words)
        if words[:2] == ("exp", "run") and words in self.typed:
            return
        if not any(word.startswith("data_path=") for word in words):  # pages make data of their own
            self.typed.add(words)
        from dvc.cli import main

        errors = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = lambda record: errors.append(record.exc_info[1] if record.exc_info else record.getMessage())
        logging.getLogger("dvc").addHandler(handler)
        try:
            code = main([*words])
        finally:
            logging.getLogger("dvc").removeHandler(handler)
        assert code == 0, "; ".join(f"{getattr(error, '__cause__', None) or error}" for error in errors)

    def go_back(self):
        """Make the project what it was after its run."""
        if self.project.call("git", "status", "--porcelain"):
            self.project.call("git", "checkout", "-q", "--", ".")
            self.project.call("git", "clean", "-qfd")
            self.dvc("checkout", "-q")
        for path in (self.project.folder / "data/own").iterdir():
            if path.name != "README.md":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_elsewhere(command):
    return any(re.fullmatch(pattern, command) for pattern in ELSEWHERE)


@pytest.fixture(scope="module")
def reader(ml_100k, tmp_path_factory):
    """In a copy of the project, whose stages have run and are committed."""
    from dvc.stage import run

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_"))]:
            patch.delenv(name)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "t")
            patch.setenv(f"GIT_{role}_EMAIL", "t@localhost")
        patch.setenv("COLUMNS", "120")
        project = Project(tmp_path_factory.mktemp("project"), ml_100k)
        project.set_params(epochs=1, ease={"lambdas": [200]})
        (project.folder / "benchmarks/dvc.yaml").unlink(missing_ok=True)  # its commands are not run here
        project.environment |= {name: value for name, value in os.environ.items() if name.startswith("GIT_")}

        def stage_in_this_process(_, cmd, cwd, **__):
            if cmd == "python stages/draw.py":  # the slowest: what the first run drew stays
                project.call("git", "checkout", "-q", "--", "plots/figures")
                (project.folder / "data/map.csv").write_bytes(places)
                return
            message = run_stage(Path(shlex.split(cmd)[1]).stem, Path(cwd), patch)
            if message:
                raise run.StageCmdFailedError(f"{cmd}: {message}", 1)

        patch.setattr(run, "_run", stage_in_this_process)
        patch_yaml(patch)
        for stage in ORDER:
            assert run_stage(stage, project.folder, patch) is None
        places = (project.folder / "data/map.csv").read_bytes()
        patch.chdir(project.folder)
        made = Reader(project)
        made.dvc("commit", "-f", "-q")
        project.commit("run")
        yield made


def patch_yaml(patch):
    """Have DVC write dvc.lock as JSON, which is YAML, and parse other texts once: most of its time is in parsing."""
    from dvc import dvcfile
    from dvc.utils import strictyaml
    from dvc.utils.serialize import _yaml

    parse = _yaml.parse_yaml
    once = functools.cache(lambda text: json.loads(text) if text.startswith("{") else parse(text, ""))

    def parse_yaml(text, path, typ="safe"):
        return copy.deepcopy(once(text)) if typ == "safe" else parse(text, path, typ)

    @contextlib.contextmanager
    def modify_lock(path, fs=None):
        data = json.loads(Path(path).read_text()) if Path(path).exists() else {}
        yield data
        Path(path).write_text(json.dumps(data))

    for module in (_yaml, strictyaml):
        patch.setattr(module, "parse_yaml", parse_yaml)
    patch.setattr(dvcfile, "modify_yaml", modify_lock)


@pytest.fixture
def in_the_project(reader, monkeypatch):
    """The reader, at the start of a page."""
    monkeypatch.chdir(reader.project.folder)
    reader.go_back()
    return reader


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_the_examples_of_a_page_run_from_top_to_bottom(page, in_the_project):
    names, failed = {"__name__": "__main__"}, []
    commands = {block.line: [] for block in page.blocks}
    for command in page.commands:
        commands[max(line for line in commands if line <= command.line)].append(command)
    for block in page.blocks:
        for command in commands[block.line]:
            try:
                in_the_project.type(command.text)
            except LookupError:
                failed.append(f"{command.place}: neither run here nor listed: {command.text}")
            except (AssertionError, UserError, SystemExit, subprocess.CalledProcessError) as error:
                failed.append(f"{command.place}: {command.text}: {type(error).__name__} {error}")
        if block.name == "python":
            code = compile("\n" * (block.line - 1) + block.text, str(page.path), "exec")
            try:
                exec(code, names)
            except Exception as error:
                failed.append(f"{block.place}: {type(error).__name__} {error}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(
    ("path", "word"), [of for of in (*ELSEWHERE.values(), *TARGETS.values()) if isinstance(of, tuple)]
)
def test_what_is_run_elsewhere_is(path, word):
    assert word in (ROOT / path).read_text(encoding="utf-8")


def test_the_lists_have_nothing_that_no_page_has():
    typed = [part for page in PAGES for command in page.commands for part in re.split(r"\s+&&\s+", command.text)]
    typed = [re.sub(r"^(?:[A-Z_]+=\S*\s+)*", "", command) for command in typed]
    assert [of for of in ELSEWHERE if not any(re.fullmatch(of, command) for command in typed)] == []
    made = {word for command in typed if command.startswith("make ") for word in command.split()[1:]}
    assert TARGETS.keys() - made == set()


@pytest.mark.parametrize("command", ["rm -r data", "make all", "python tools/no.py", "dvc exp run -S x=1", "dvc no"])
def test_an_unknown_or_failing_command_is_found(in_the_project, command):
    with pytest.raises((LookupError, AssertionError)):
        in_the_project.type(command)


def test_pipes_and_files_are_followed(in_the_project):
    in_the_project.type("COLUMNS=100 python -m movierec --similar 'Blade Runner' --top 1 --json | sort > found.json")
    assert json.loads(Path("found.json").read_text())["title"] == "Blade Runner (1982)"


def test_a_failing_example_is_found(in_the_project):
    text = "```sh\nls\npython -m movierec --similar 'no such movie'\n```\n\n```python\nx = 1\nassert x == 2\n```\n"
    with pytest.raises(AssertionError, match=r"a.md:2: neither run.*\n.*a.md:3: .*no such movie.*\n.*a.md:7: Assert"):
        test_the_examples_of_a_page_run_from_top_to_bottom(Page(ROOT / "a.md", text), in_the_project)
