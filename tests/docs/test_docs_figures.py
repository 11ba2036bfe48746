"""Decimals, percentages, times and memory in prose and tables of README.md and docs/ stand between markers."""

import json
import re
import shlex
from datetime import datetime

import describe
import pytest
import tables
from imports import ROOT
from markdown_pages import Page, pages
from ruamel.yaml import YAML

# API pages are made from docstrings; the others hold rules for contributors, and the history of releases.
EXEMPT = {"api.md", "contributing.md", "changelog.md"}
PAGES = [page for page in pages() if page.path.name not in EXEMPT]
NAME = [page.path.name for page in PAGES]
DECIMAL = re.compile(r"\d\.\d|(?<![\w.])\.\d")
FIGURE = re.compile(
    rf"""[\w.,]*(?:{DECIMAL.pattern})[\w.]*                       # a decimal number
    | \d\s*(?:%|per\s?cent\b)(?!\ interval)                        # a percentage, but that of an interval
    | \b(?!\d\d\d0s\b)\d[\d,]*[\s-]?                               # a time or a memory, but no decade
      (?:[mµ]?s|(?:milli|micro)?(?:sec(?:ond)?s?)|min(?:ute)?s?|h(?:our)?s?|[kKMGT]i?B|(?:mega|giga)bytes?)\b""",
    re.VERBOSE,
)
BENCHMARKS = ROOT / "benchmarks/dvc.yaml"
BY_TOOLS = {ROOT / f"benchmarks/results/{name}.json" for name in ("verify", "emulated_intel", "emulated_amd")}  # tools/
RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))


def stages():
    return YAML(typ="safe").load(BENCHMARKS)["stages"]


def outputs(stage):
    """The paths of a stage's outputs."""
    outs = [out for key in ("outs", "metrics") for out in stage.get(key, [])]
    folder = BENCHMARKS.parent / stage.get("wdir", ".")
    return [(folder / (out if isinstance(out, str) else next(iter(out)))).resolve() for out in outs]


def result_of(stage):
    """The result file of a stage, or None for one that makes data for others."""
    return next((path for path in outputs(stage) if path.parent.name == "results"), None)


def listed(pieces):
    return "\n".join(f"{piece.place}: {piece.text.strip()}" for piece in pieces)


NUMBERS = ("0.4046", ".4", "1.2.3", "46%", "46 per cent")
TIMES = ("12 s", "12s", "12 ms", "3 seconds", "90 minutes", "1 hour", "2h", "3-minute", "5 min")


@pytest.mark.parametrize("figure", [*NUMBERS, *TIMES, "12 GB", "1,024 MB", "16 GiB"])
def test_a_figure_is_found(figure):
    assert Page(ROOT / "a.md", f"It is {figure}, or so.").found_in_prose(FIGURE)


@pytest.mark.parametrize(
    "text",
    ["`0.4`", "MovieLens 1M", "1,000 movies", "NDCG@20", "the 1990s", "a 95 per cent interval", "1. One", "in 3."],
)
@pytest.mark.parametrize("after", ["", ", 5(4), 2015", "<!-- value: a -->0.4<!-- end -->", "[a](b-0.4.md)", " 2 sorts"])
def test_other_numbers_are_none(text, after):
    assert Page(ROOT / "a.md", f"It is {text}{after}").found_in_prose(FIGURE) == []


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_prose_has_no_figure_typed_by_hand(page):
    of_tables = {table.line + n for table in page.tables for n in range(table.text.count("\n"))}
    found = [piece for piece in page.found_in_prose(FIGURE) if piece.line not in of_tables]
    assert not found, f"figures outside of markers and backticks:\n{listed(found)}"


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_a_table_with_figures_is_between_markers(page):
    found = [table for table in page.tables if not table.name and FIGURE.search(table.text)]
    assert not found, f"tables typed by hand:\n{listed(found)}"


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_every_comment_is_a_marker_and_has_its_end(page):
    starts = [piece for piece in page.comments if re.fullmatch(r"<!-- (table|value): [\w.@ -]+? -->", piece.text)]
    ends = [piece for piece in page.comments if piece.text in ("<!-- end of table -->", "<!-- end -->")]
    others = [piece for piece in page.comments if piece not in starts + ends]
    assert not others, f"neither a marker nor its end:\n{listed(others)}"
    assert len(starts) == len(ends) == len(page.marked), listed(page.comments)


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_tables_and_values_are_what_the_results_say(page):
    assert describe.filled(page.text) == page.text, "behind the code or the results; run `make tables`"


def test_metrics_in_printed_output_are_those_of_the_run():
    """Lines of `dvc metrics show`, whose columns are the models by name, and of the summary of `make repro`."""
    text = "\n".join(page.text for page in PAGES)
    shown = re.findall(r"^(metrics/\S+\.json) +(\S+) +(\S+) +(\S+) +(\S+)$", text, re.MULTILINE)
    for path, *values in shown:
        of_models = json.loads((ROOT / path).read_text())
        names = ("EASE", "item-kNN", "model", "popularity")
        assert values == [f"{of_models[name]:.10g}" if name in of_models else "-" for name in names], path
    summary = re.findall(r"^│ (this model|EASE|item-kNN|popularity) +│ +(\S+) │ +(\S+) │$", text, re.MULTILINE)
    for name, *values in summary:
        files = [ROOT / f"metrics/test/{metric}@20.json" for metric in ("ndcg", "recall")]
        model = "model" if name == "this model" else name
        assert values == [f"{json.loads(file.read_text())[model]:.4f}" for file in files], name
    assert shown and len(summary) == 4, "both are on a page"


def test_every_page_is_filled_by_the_tool():
    assert {page.path for page in PAGES} <= set(describe.PAGES)


def test_every_table_of_the_tool_is_on_a_page():
    assert set(tables.TABLES) - {piece.name for page in PAGES for piece in page.marked} == set()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_a_result_says_how_it_was_made(path):
    about = json.loads(path.read_text(encoding="utf-8"))["about"]
    assert {"command", "date", "commit", "seeds", "machine", "versions"} <= set(about)
    (script,) = [word for word in shlex.split(about["command"]) if word.endswith(".py")]
    assert (ROOT / script).is_file()
    assert str(ROOT) not in path.read_text(encoding="utf-8"), "no path of one machine"
    assert datetime.fromisoformat(about["date"])
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?", about["commit"])
    assert about["seeds"] is None or (about["seeds"] and all(isinstance(seed, int) for seed in about["seeds"]))
    assert about["machine"]["processor"] and about["machine"]["cores"] >= 1
    assert {"python", "torch", "dgl", "numpy"} <= set(about["versions"])


def test_every_stage_of_the_benchmarks_has_a_result_and_every_result_a_stage():
    needed = {dependency for stage in stages().values() for dependency in stage["deps"]}
    made = {name: result_of(stage) for name, stage in stages().items()}
    for name in [name for name, path in made.items() if path is None]:
        assert {str(path.relative_to(ROOT)) for path in outputs(stages()[name])} & needed, f"{name} makes no result"
    assert {path for path in made.values() if path} | BY_TOOLS == set(RESULTS)


@pytest.mark.parametrize("name", [name for name, stage in stages().items() if result_of(stage) in RESULTS])
def test_a_result_has_the_command_of_its_stage(name):
    command = json.loads(result_of(stages()[name]).read_text(encoding="utf-8"))["about"]["command"]
    typed, declared = (
        [word for word in shlex.split(of) if "OMP_NUM_THREADS" not in word] for of in (command, stages()[name]["cmd"])
    )
    assert typed == declared
