"""The files that such a project has beside its code: complete, valid, and of one version."""

import re
import subprocess
import sys
import tomllib

import mlcroissant as mlc
import pytest
from imports import ROOT
from mkdocs.config import load_config
from ruamel.yaml import YAML

import movierec
from movierec.data.schemas import MOVIES, RATINGS, USERS

SCHEMAS = {"users": USERS, "movies": MOVIES, "ratings": RATINGS}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_has_one_page():
    readme = text("README.md")
    assert len(readme.splitlines()) <= 220
    assert len(readme.split()) <= 1600


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_and_images_lead_to_files(page):
    links = re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text(page))
    local = [link.split("#")[0] for found in links for link in found if link and not re.match("https?:|#", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_no_line_begins_with_a_value(page):
    """In Markdown, a comment at the beginning of a line ends the paragraph."""
    assert re.findall(r"^[\s>*+-]*<!-- value: .*", text(page), re.MULTILINE) == []


def test_the_version_is_the_same_everywhere():
    assert tomllib.loads(text("pyproject.toml"))["project"]["version"] == movierec.__version__
    assert YAML(typ="safe").load(text("CITATION.cff"))["version"] == movierec.__version__
    assert re.search(rf"^## {re.escape(movierec.__version__)} - \d{{4}}-\d\d-\d\d$", text("CHANGELOG.md"), re.MULTILINE)


def test_the_citation_has_what_its_format_requires():
    citation = YAML(typ="safe").load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "type", "license"} <= set(citation)
    assert (citation["cff-version"], citation["type"], citation["license"]) == ("1.2.0", "software", "MIT")


def test_the_changelog_keeps_its_format():
    headings = re.findall("^## (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    kinds = set(re.findall("^### (.*)$", text("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_git_normalises_text_and_leaves_binary_files():
    lines = text(".gitattributes").splitlines()
    assert lines[0] == "* text=auto eol=lf"
    assert {f"*.{kind} binary" for kind in ("npz", "parquet", "png", "zip")} <= set(lines)


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph")  # rdflib's own
def test_croissant_describes_the_clean_tables():
    dataset = mlc.Dataset(ROOT / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors and not issues.warnings
    fields = {of.name: [field.name for field in of.fields] for of in dataset.metadata.record_sets}
    assert fields == {
        name: [column for column, of in schema.columns.items() if of.required] for name, schema in SCHEMAS.items()
    }


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph")
def test_croissant_has_the_files_of_the_reference_run():
    stages = YAML(typ="safe").load(text("dvc.lock"))["stages"]
    locked = {dep["path"]: dep["md5"] for stage in stages.values() for dep in stage["deps"]}
    files = {of.content_url: of.md5 for of in mlc.Dataset(ROOT / "croissant.json").metadata.distribution}
    assert set(files) == {f"data/clean/{name}.parquet" for name in SCHEMAS}
    shared = files.keys() & locked.keys()
    assert files.keys() - shared == {"data/clean/users.parquet"}, "DVC has its hash in that of the folder alone"
    assert {path: files[path] for path in shared} == {path: locked[path] for path in shared}


def test_ci_runs_the_same_on_github():
    commands = re.findall("make [a-z-]+", text(".ci/run"))
    assert "make docs" in commands
    assert all(f"- run: {command}\n" in text(".github/workflows/ci.yml") for command in commands)


def test_the_navigation_has_every_page_once():
    nav = load_config(str(ROOT / "mkdocs.yml")).nav
    assert sorted(page for entry in nav for page in entry.values()) == sorted(
        path.name for path in (ROOT / "docs").glob("*.md")
    )


def test_the_documentation_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    loaded = r'<(?:script|img|iframe)\b[^>]*\bsrc="(?:https?:)?//|<link\b[^>]*rel="(?:stylesheet|preconnect)"[^>]*//'
    assert pages and [page.name for page in pages if re.search(loaded, page.read_text(encoding="utf-8"))] == []
    assert "<math" in (tmp_path / "model/index.html").read_text(encoding="utf-8")
