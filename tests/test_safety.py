"""The promises of SECURITY.md about the code itself."""

import ast
import re

import pytest
from imports import ROOT

from movierec.datasets.download import RECBOLE, RECBOLE_SHA256
from movierec.datasets.releases import RELEASES

SOURCES = sorted(path for folder in ("movierec", "stages", "tools") for path in (ROOT / folder).rglob("*.py"))
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "compile",
    "torch.load",
    "os.system",
    "os.popen",
    "pd.read_pickle",
    "yaml.load",
    "yaml.unsafe_load",
    "dgl.load_graphs",
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & UNSAFE_MODULES
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] not in UNSAFE_MODULES
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in UNSAFE_CALLS - ({"yaml.load"} if "YAML" in path.read_text() else set()), name
            for keyword in node.keywords:
                assert keyword.arg not in ("shell", "allow_pickle") or ast.unparse(keyword.value) == "False"
            if name == "np.load":
                assert "allow_pickle" in {keyword.arg for keyword in node.keywords}
            if name == "YAML":  # ruamel's: round trip and safe make no objects of a file's choice
                assert {ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "typ"} <= {"'safe'"}


def test_no_param_reaches_the_shell_that_runs_a_stage():
    commands = [line.split("cmd:")[1] for line in (ROOT / "dvc.yaml").read_text().splitlines() if "cmd:" in line]
    assert len(commands) == len(list((ROOT / "stages").glob("[a-z]*.py"))) and not [
        command for command in commands if "$" in command
    ]


def test_downloads_go_over_https_and_have_a_checksum():
    assert all(release.url.startswith("https://files.grouplens.org/") for release in RELEASES.values())
    # GroupLens replaces that one from time to time.
    assert {name for name, release in RELEASES.items() if release.md5 is None} == {"ml-latest-small"}
    assert len(RECBOLE_SHA256) == 64 and "==" in RECBOLE


@pytest.mark.parametrize(
    ("name", "least"), [("requirements.txt", 50), ("requirements-dev.txt", 50), ("requirements-torch.txt", 1)]
)
def test_every_dependency_is_pinned_and_has_a_hash(name, least):
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text())
    entries = [entry for entry in entries if not entry.startswith(("#", "--extra-index-url"))]
    assert len(entries) >= least
    assert [entry for entry in entries if not re.match(r"[\w.\[\]-]+==.*--hash=sha256:\w{64}", entry, re.S)] == []


def test_the_build_of_torch_with_cuda_is_of_the_same_version():
    (pin,) = re.findall(r"^torch==[\d.]+", (ROOT / "requirements-torch.txt").read_text(), re.M)
    assert f" {pin}\n" in (ROOT / "docs/scale.md").read_text()
