"""The tables and figures of README.md and docs/, by name: from the code, metrics/ and the benchmarks' results."""

import json
import sys
import typing
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from pydantic.fields import FieldInfo

from movierec.utils.errors import UserError
from movierec.utils.params import Params, Section, param_names, read_yaml

PARAMS, DVC = ROOT / "params.yaml", ROOT / "dvc.yaml"
RESULTS, PUBLISHED = ROOT / "benchmarks/results", ROOT / "benchmarks/published.json"
# The files to read first, in order, and their subjects.
READING = {
    "examples/one_file.py": "LightGCN from the data to NDCG@20, with the library's parts",
    "stages/train.py": "the stage: files in, the model and its rankings out",
    "movierec/model/fit.py": "the whole model: the graph, the Gaussian processes and their mix",
    "movierec/model/graph.py": "message passing with DGL",
    "movierec/model/lightgcn.py": "the graph model, and vectors for new users",
    "movierec/model/softmax.py": "the loss and its gradient",
    "movierec/model/training.py": "the training loop",
    "movierec/model/gaussian_process.py": "the Gaussian processes over users and movies",
}
OURS = "**this model**"
ENOUGH_TARGETS = 100  # of a replay, for figures of their own
MODELS = {"model": OURS}  # other models have their names
TABLES: dict[str, Callable[[], str]] = {}


def table(name: str) -> str:
    """A table in Markdown, with a line break at its end."""
    if name not in TABLES:
        raise UserError(f"no table is called {name}; there are {', '.join(sorted(TABLES))}.")
    return TABLES[name]()


def made(function: Callable[[], str]) -> Callable[[], str]:
    """Have a function's table under the function's name."""
    TABLES[function.__name__] = function
    return function


def markdown(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table in Markdown; None is an empty cell."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join('' if cell is None else str(cell) for cell in line)} |\n" for line in lines)


@cache
def read(path: Path) -> Any:
    """A JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.relative_to(ROOT)} is missing; `make results` makes it.") from None


def bench(name: str) -> Any:
    """The result of a benchmark."""
    return read(RESULTS / f"{name}.json")


def metric(name: str) -> dict[str, float]:
    """A metric of the pipeline's run by model, such as `test/ndcg@20`."""
    return read(ROOT / f"metrics/{name}.json")


def four(value: float | None) -> str | None:
    """A metric, to four decimals."""
    return None if value is None else f"{value:.4f}"


# --- from the code ---


@made
def reading() -> str:
    """The files to read first, with their line counts."""
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in READING}
    return markdown(("file", "lines", "subject"), ((f"[`{of}`]({of})", lines[of], READING[of]) for of in READING))


@made
def params() -> str:
    """Each param with its default, description, allowed values, and the stages that read it."""
    return params_table(read_yaml(PARAMS), read_yaml(DVC)["stages"])


def params_table(values: dict[str, Any], stages: dict[str, Any]) -> str:
    """The table of params from their values and the stages of dvc.yaml."""
    rows = []
    for name in param_names():
        group, _, key = name.rpartition(".")
        section = typing.cast("type[Section]", Params.model_fields[group].annotation) if group else Params
        field, value = section.model_fields[key], values[group][key] if group else values[key]
        of_stages = [stage for stage, of in stages.items() if {name, group} & set(of.get("params", [])) - {""}]
        listed = ", ".join(map(shown, value)) if isinstance(value, list) else shown(value)
        cells = (f"`{name}`", f"`{listed}`", field.description, f"`{allowed(field)}`", ", ".join(of_stages))
        rows.append([str(cell).replace("|", r"\|") for cell in cells])
    return markdown(("param", "default", "description", "allowed", "read by"), rows)


def shown(value: Any) -> str:
    """A value in YAML."""
    return f"{value:.10g}" if isinstance(value, float) and value != int(value) else str(value)


def allowed(field: FieldInfo) -> str:
    """The values that a param may have: options, or an interval."""
    options = typing.get_args(field.annotation)
    if typing.get_origin(field.annotation) is typing.Literal:
        return ", ".join(options)
    if typing.get_origin(field.annotation) is list:
        return f"each in {interval(typing.get_args(options[0])[1].metadata)}"
    if type(None) in options:
        return f"auto, or in {interval(field.metadata)}"
    return "text" if field.annotation is str else f"in {interval(field.metadata)}"


def interval(metadata: list[Any]) -> str:
    """pydantic's limits as an interval."""
    limits = {name: getattr(of, name) for of in metadata for name in ("ge", "gt", "le", "lt") if hasattr(of, name)}
    low = f"[{limits['ge']:g}" if "ge" in limits else f"({limits['gt']:g}"
    high = f"{limits['le']:.10g}]" if "le" in limits else f"{limits['lt']:g})" if "lt" in limits else "inf)"
    return f"{low}, {high}"


# --- from the pipeline's run ---

SHOWN = {"ndcg": "NDCG", "recall": "Recall", "precision": "Precision", "map": "MAP", "hit_rate": "hit rate"} | {
    "mrr": "MRR",
    "coverage": "coverage",
}


@made
def result() -> str:
    """The models' test metrics."""
    values = {name: metric(f"test/{name}@20") for name in SHOWN}
    rows = ([MODELS.get(model, model), *(four(of[model]) for of in values.values())] for model in values["ndcg"])
    return markdown(("test", *(f"{name}@20" for name in SHOWN.values())), rows)


@made
def newcomers() -> str:
    """NDCG@20 of held-out users, never seen in training and trained on."""
    unseen, trained = metric("newcomers/ndcg@20"), metric("newcomers/ndcg@20_when_known")
    rows = ((MODELS.get(model, model), four(unseen[model]), four(trained[model])) for model in unseen)
    return markdown(("NDCG@20", "never seen in training", "trained on"), rows)


# --- from the benchmarks ---

COLUMNS = [f"{name}@{k}" for k in (10, 20, 40) for name in ("recall", "ndcg")]
TITLES = {"recall": "Recall", "ndcg": "NDCG", "hit_rate": "HitRate"}


def title(column: str) -> str:
    """The heading of a metric, such as NDCG@20."""
    name, _, k = column.partition("@")
    return f"{TITLES[name]}@{k}"


def compared(name: str, columns: list[str], measured: dict[str, dict[str, Any]]) -> str:
    """Measured models beside published ones, by NDCG@10 (NDCG@20 without it); those under other protocols last."""
    rows = [{"model": model, "of": "measured here", "comparable": True} | of for model, of in measured.items()]
    sources = read(PUBLISHED)["sources"]
    for row in read(PUBLISHED)[name]["rows"]:
        source = sources[row["source"]]
        notes = [source.get("label", f"{source['venue']} {source['year']}"), row.get("note")]
        notes += [] if row["comparable"] else ["another protocol"]
        rows.append(row | {"of": "; ".join(filter(None, notes))})
    rows.sort(key=lambda row: (not row["comparable"], -(row.get(columns[1]) or row[columns[3]])))
    metrics = {column: title(column) for column in columns}
    cells = (
        (row["model"], *(four(row.get(of)) for of in metrics), seconds(row.get("fit_seconds")), row["of"])
        for row in rows
    )
    return markdown(("model", *metrics.values(), "fit, s", "source"), cells)


def seconds(value: float | None) -> str | None:
    """Seconds, with one decimal below a hundred."""
    return None if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def of_split(name: str) -> dict[str, dict[str, Any]]:
    """The models that published_split.py measures on a split."""
    figures = bench(name)
    models = {OURS: figures["model"]} | {of: figures.get(of) for of in ("EASE", "item-kNN", "popularity")}
    return {model: of for model, of in models.items() if of}


SPLITS = {"published_ml100k": "MovieLens 100K", "published_ml1m": "MovieLens 1M"}
SPLITS |= {"published_lastfm": "LastFM", "published_gowalla": "Gowalla"}
ALS = {"published_ml1m": "peers", "published_lastfm": "peers_lastfm", "published_gowalla": "peers_gowalla"}


@made
def data_sets() -> str:
    """Test NDCG@20 on all data sets: measured models, published ones, and the truth where it is known."""
    columns = [OURS, "EASE", "item-kNN", "ALS", "LightGCN", "LightGCN++", "popularity", "the truth"]
    of_data = []
    for name, data in SPLITS.items():
        published = {row["model"]: row.get("ndcg@20") for row in read(PUBLISHED).get(name, {"rows": []})["rows"]}
        als = {row["name"]: row.get("ndcg@20") for row in bench(ALS[name])["rows"]} if name in ALS else {}
        ndcg = als | published | {model: of["ndcg@20"] for model, of in of_split(name).items()}
        counts = [bench(name)["data"][of] for of in ("users", "items", "train")]
        of_data.append((data, counts, ndcg, bench(name)["model"]["fit_seconds"]))
    for of in sizes():
        ndcg = {MODELS.get(model, model): value for model, value in of["ndcg@20"].items()}
        counts = [of[key] for key in ("users", "movies", "liked")]
        of_data.append((f"synthetic, {of['interactions'] / 1e6:g} M", counts, ndcg, of["stages"]["train"]["seconds"]))
    rows = (
        (data, *(f"{count:,}" for count in counts), *(four(ndcg.get(model)) for model in columns), seconds(fit))
        for data, counts, ndcg, fit in of_data
    )
    return markdown(("data", "users", "items", "interactions", *columns, "fit, s"), rows)


@made
def published_ml1m() -> str:
    """The published split of MovieLens 1M."""
    quick, graph = bench("published_ml1m_quick")["model"], bench("published_ml1m_graph")["model"]
    others = {"this model, quick": quick, "its graph alone, 256 dimensions": graph}
    return compared("published_ml1m", COLUMNS, of_split("published_ml1m") | others)


@made
def published_lastfm() -> str:
    """The published split of LastFM."""
    return compared("published_lastfm", COLUMNS, of_split("published_lastfm"))


@made
def published_gowalla() -> str:
    """The published split of Gowalla."""
    return compared("published_gowalla", COLUMNS, of_split("published_gowalla"))


@made
def next_item() -> str:
    """Leave-one-out on MovieLens 1M."""
    names = {"model": OURS, "EASE": "EASE on a fading history", "item-kNN": "item-kNN on the last movies"}
    names |= {"Markov chain": "first-order Markov chain", "popularity": "recent popularity"}
    figures = bench("next_item")
    measured = {name: figures[key] for key, name in names.items()}
    measured["this model, quick"] = bench("next_item_quick")["model"]
    source = {"of": "measured here; is given the target's time stamp"}
    measured[f"{OURS}, at a known moment"] = figures["model"]["known_moment"] | source
    return compared("next_item", ["hit_rate@10", "ndcg@10", "hit_rate@20", "ndcg@20"], measured)


@made
def spread() -> str:
    """Standard deviations of test NDCG@10 on leave-one-out, by what changes."""
    result = bench("spread")
    n = len(result["about"]["seeds"])
    whole, alone = result["whole"], result["next_movie"]
    words = {"seeds": "the seed", "labels": "the order of users and items", "both": "both"}
    rows = [(OURS, words[of], four(whole["deviation"][of])) for of in words]
    part = "the next-movie part alone"
    rows += [(part, f"the seed of the {use}", four(of["deviation"])) for use, of in alone.items()]
    rows.append((OURS, "the users (standard error of the mean)", four(whole["deviation"]["users"])))
    return markdown(("model", f"what changes, {n} values each", "standard deviation"), rows)


@made
def one_cut_in_time() -> str:
    """NDCG@10 / HitRate@10 of the kinds of targets after one cut in time."""
    figures = bench("one_cut_in_time")
    rows = [(MODELS.get(name, name), of, "measured here") for name, of in figures.items() if "successive" in of]
    model, note = figures["model"], "measured here; is given the target's time stamp"
    rows.append((f"{OURS}, at the cut", model | model["at_cut"], "measured here"))
    known = model["known_moment"]
    rows.append((f"{OURS}, at a known moment", known["last"] | known, note))
    published = read(PUBLISHED)
    sources = {name: f"{of['venue']} {of['year']}" for name, of in published["sources"].items()}
    rows += [(row["model"], row, sources[row["source"]]) for row in published["one_cut_in_time"]["rows"]]
    rows.sort(key=lambda row: -row[1]["ndcg@10"])
    kinds = {"last": "last", "random": "random", "successive": "all", "first": "first after the cut"}

    def cells(of: dict[str, Any]) -> list[str]:
        chosen = (of if kind == "last" else of[kind] for kind in kinds)
        return [f"{of_kind['ndcg@10']:.4f} / {of_kind['hit_rate@10']:.4f}" for of_kind in chosen]

    return markdown(("model", *kinds.values(), "source"), ([name, *cells(of), source] for name, of, source in rows))


def of_replay(name: str) -> str:
    """NDCG@10 / hit rate@10 of a replay's services, of all targets and of those of new users and new movies."""
    result = bench(name)
    kinds = {"of_new_users": "new users", "of_new_movies": "new movies"}
    kinds = {kind: words for kind, words in kinds.items() if result["data"][kind] >= ENOUGH_TARGETS}
    head = [f"{words}, {result['data'][kind]:,}" for kind, words in kinds.items()]

    def cells(of: dict[str, Any]) -> list[str]:
        chosen = (of, *(of[kind] for kind in kinds))
        return [f"{figures['ndcg']:.4f} / {figures['hit_rate']:.4f}" for figures in chosen]

    every = result["data"]["every"]
    often = "trained daily" if every == 1 else f"trained every {every} days"
    rows = ([service.replace("trained daily", often), *cells(of)] for service, of in result["services"].items())
    return markdown(("service", f"all {result['data']['targets']:,} targets", *head), rows)


@made
def replay() -> str:
    """Of the last month."""
    return of_replay("replay")


@made
def replay_busy() -> str:
    """Of two weeks with many new users."""
    return of_replay("replay_busy")


@made
def new_movies() -> str:
    """NDCG@10 among new movies by the number of their first users."""
    rows = bench("new_movies")["rows"]
    names = list(rows[0]["ndcg@10"])
    cells = (
        (of["first_users"], *(four(of["ndcg@10"][name]) for name in names), f"{of['share_of_lists']:.1%}")
        for of in rows
    )
    head = (
        "first users of each",
        *(OURS if name == "model" else f"by {name}".replace("by at", "at") for name in names),
    )
    return markdown((*head, "share of the first 20"), cells)


def of_protocols(chosen: Callable[[str], bool]) -> str:
    """Test NDCG@20 / Recall@20 of the pipeline under other params."""
    rows = [row for row in bench("protocols")["rows"] if chosen(" ".join(row["settings"]))]
    models = list(dict.fromkeys(model for row in rows for model in row["ndcg@20"]))
    models.sort(key=lambda model: model == "popularity")
    cells = []
    for row in rows:
        command = " ".join(f"-S {setting}" for setting in row["settings"])
        pairs = ((row["ndcg@20"].get(of), row["recall@20"].get(of)) for of in models)
        cells.append(
            (
                f"`{command}`" if command else "the defaults",
                *(pair[0] and "{:.4f} / {:.4f}".format(*pair) for pair in pairs),
            )
        )
    return markdown(("`dvc exp run` with", *(MODELS.get(of, of) for of in models)), cells)


@made
def protocols() -> str:
    """Random splits of other ratings."""
    return of_protocols(lambda settings: "split_strategy" not in settings)


@made
def next_views() -> str:
    """The random split, and the splits by time."""
    return of_protocols(lambda settings: not settings or "split_strategy" in settings)


@made
def peers() -> str:
    """Other libraries on the published split."""
    head = ("model", "NDCG@20", "Recall@20", "fit, s", "peak memory, MB", "settings")
    cells = []
    for row in bench("peers")["rows"]:
        name = f"{row['name']} ({row['library']} {row['version']})"
        memory = row.get("peak_memory_mb")
        figures = (four(row.get("ndcg@20")), four(row.get("recall@20")), seconds(row.get("fit_seconds")))
        cells.append((name, *figures, memory and f"{memory:,.0f}", row.get("settings") or row.get("error")))
    return markdown(head, cells)


@made
def validation_parts() -> str:
    """Validation metrics of variants of the model, over seeds."""
    variants = bench("ablation")["variants"]
    names = ("ndcg@20", "recall@20")
    cells = ((name, *(f"{of[key]:.4f} ± {of['deviation'][key]:.4f}" for key in names)) for name, of in variants.items())
    return markdown(("validation", *map(title, names)), cells)


@made
def where_time_goes() -> str:
    """Seconds of a fit by kind of work."""
    figures = bench("where_time_goes")
    kinds = figures["seconds"] | {"all": figures["whole"]}
    rows = ((kind, f"{of:.1f}", f"{of / figures['whole']:.0%}") for kind, of in kinds.items())
    return markdown(("kind of work", "seconds", "share"), rows)


@made
def variety() -> str:
    """Test metrics by `diversity`."""
    heads = {"diversity": "`diversity`", "ndcg@20": "NDCG@20", "recall@20": "Recall@20"}
    heads |= {
        "genre_distance": "distance of genres",
        "vector_distance": "distance of embeddings",
        "coverage@20": "coverage@20",
    }
    rows = (
        (f"`{row['diversity']:g}`", *(four(row[key]) for key in list(heads)[1:])) for row in bench("variety")["rows"]
    )
    return markdown(heads.values(), rows)


def latency(row: dict[str, Any]) -> tuple[str, str]:
    """The median and the 99th percentile in ms."""
    return f"{row['p50_ms']:.3g}", f"{row['p99_ms']:.3g}"


@made
def response_times() -> str:
    """Commands from a cold start, beside the interpreter alone."""
    figures = bench("response_times")
    rows = [
        (f"`{row['command']}`", f"{row['seconds']:.2f}", f"{row['times_start']:.0f}") for row in figures["commands"]
    ]
    return markdown(("command", "seconds", "starts of Python"), rows)


@made
def response_times_http() -> str:
    """Requests to the service at a steady rate."""
    rows = bench("response_times")["http"]
    head = ("request", "per second", "p50, ms", "p99, ms")
    return markdown(head, ((f"`{row['request']}`", row["requests_per_second"], *latency(row)) for row in rows))


@made
def serving() -> str:
    """Latency of a request."""
    rows = ((f"`{row['request']}`", *latency(row)) for row in bench("serving")["requests"])
    return markdown(("one request", "p50, ms", "p99, ms"), rows)


@made
def serving_index() -> str:
    """An approximate index against exact search."""
    rows = ((row["index"], f"{row['recall@20']:.3f}", *latency(row)) for row in bench("serving")["index"]["rows"])
    return markdown(("index", "recall@20 of exact search", "p50, ms", "p99, ms"), rows)


@made
def softmax_cost() -> str:
    """Seconds of the exact and the sampled softmax by catalogue size."""
    rows = bench("softmax_cost")["rows"]
    head = ("movies", *(f"{row['movies']:,}" for row in rows))
    kinds = (("exact, s", "exact_seconds"), ("sampled, s", "sampled_seconds"))
    return markdown(head, ((name, *(row[key] and f"{row[key]:.2f}" for row in rows)) for name, key in kinds))


@made
def softmax_quality() -> str:
    """The sampled softmax against the exact one, on the published split."""
    names = {
        "exact": "published_ml1m",
        "sampled, 1,024 negatives": "softmax_1024",
        "sampled, 512 negatives": "softmax_512",
    }
    rows = []
    for name, of in names.items():
        model = bench(of)["model"]
        each = ", ".join(four(run["ndcg@20"]) or "" for run in model["seeds"])
        rows.append((name, four(model["ndcg@20"]), four(model["recall@20"]), each))
    return markdown(("softmax", "NDCG@20", "Recall@20", "NDCG@20 of each seed"), rows)


@made
def top_k() -> str:
    """Exact search against indexes."""
    head = ("search", "building, s", "all users, s", "users per s", "recall")
    rows = (
        (
            row["search"],
            seconds(row["build_seconds"]),
            seconds(row["seconds"]),
            f"{row['users_per_second']:,.0f}",
            f"{row['recall']:.3f}",
        )
        for row in bench("top_k")["rows"]
    )
    return markdown(head, rows)


@made
def processes() -> str:
    """One process against several."""
    return ways_to_train("processes", {"1": "1 process", "2": "2 processes"})


@made
def gpu() -> str:
    """A CPU against a GPU."""
    figures = bench("gpu")
    machine = figures["about"]["machine"]
    names = {"cpu": f"{machine['processor']}, {machine['cores']} cores", "cuda": figures["gpu"]}
    return ways_to_train("gpu", names)


def ways_to_train(result: str, names: dict[str, str]) -> str:
    """The seconds and NDCG@20 of training in two ways."""
    figures = bench(result)
    first, *_ = figures["seconds"].values()
    rows = (
        (names[way], seconds(of), f"{first / of:.2f}", f"{figures['ndcg@20'][way]:.4f}")
        for way, of in figures["seconds"].items()
    )
    head = (f"{figures['interactions'] / 1e6:.1f} M interactions", "training, s", "times as fast", "NDCG@20")
    return markdown(head, rows)


@made
def machines() -> str:
    """The command, commit, date and machine of each result."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        about = read(path)["about"]
        machine = f"{about['machine']['processor']}, {about['machine']['cores']} cores"
        rows.append(
            (
                path.stem,
                f"`{about['command'].partition(' --out ')[0]}`",
                f"`{about['commit']}`",
                about["date"][:10],
                machine,
            )
        )
    return markdown(("result", "command", "commit", "date", "machine"), rows)


WHOLE = "whole pipeline"


def sizes() -> list[dict[str, Any]]:
    """The sizes that scale.py measured, in ascending order."""
    return sorted(bench("scale")["sizes"].values(), key=lambda of: of["interactions"])


@made
def scale() -> str:
    """Seconds and peak memory of each stage by data size, and the slope of log seconds on log interactions."""
    of_sizes = sizes()
    n = np.array([of["interactions"] for of in of_sizes])
    time = {stage: np.array([of["stages"][stage]["seconds"] for of in of_sizes]) for stage in of_sizes[0]["stages"]}
    memory = {stage: np.array([of["stages"][stage]["memory_gb"] for of in of_sizes]) for stage in time}
    time[WHOLE], memory[WHOLE] = np.sum(list(time.values()), axis=0), np.max(list(memory.values()), axis=0)
    rows = []
    for stage, of_stage in time.items():
        slopes = (np.polyfit(np.log(n[-last:]), np.log(of_stage[-last:]), 1)[0] for last in (len(n), 2))
        pairs = (f"{of:,.1f} / {gb:.2f}" for of, gb in zip(of_stage, memory[stage], strict=True))
        rows.append((stage, *pairs, *(f"{slope:.2f}" for slope in slopes)))
    return markdown(("stage", *(f"{of / 1e6:g} M, s / GB" for of in n), "slope", "last two"), rows)


@made
def scale_quality() -> str:
    """Test NDCG@20 by data size and model."""
    models = list(dict.fromkeys(model for of in sizes() for model in of["ndcg@20"]))
    counts = {"interactions": "interactions", "liked": "positive", "users": "users", "movies": "movies"}
    rows = (
        (*(f"{of[key]:,}" for key in counts), *(four(of["ndcg@20"].get(model)) for model in models)) for of in sizes()
    )
    return markdown((*counts.values(), *(MODELS.get(of, of) for of in models)), rows)


@made
def verify() -> str:
    """The hash of each stage's outputs in two new clones and in dvc.lock."""
    stages = bench("verify")["stages"]
    conditions = list(next(iter(stages.values())))
    rows = []
    for stage, hashes in stages.items():
        same = "same" if len(set(hashes.values())) == 1 else "differs"
        rows.append((stage, *(f"`{hashes[of][:12]}`" for of in conditions), same))
    return markdown(("stage", *conditions, ""), rows)


@made
def verified() -> str:
    """The verdict of `make verify` on each machine."""
    names = {"processor": "processor", "vectors": "vectors", "python": "Python", "torch": "torch", "dgl": "DGL"}
    names |= {"commit": "commit", "date": "date", "verdict": "verdict"}
    return markdown(names.values(), ([of[name] for name in names] for of in bench("verify")["machines"]))


@made
def emulated() -> str:
    """The stages on emulated processors, beside the machine that emulated them."""
    rows = []
    for of in map(bench, ("emulated_intel", "emulated_amd")):
        same = of["files"] - len(of["different"])
        machine = f"{of['about']['machine']['processor']}, {of['about']['machine']['vectors']}"
        rows.append((of["emulated"], machine, f"{same} of {of['files']}", ", ".join(of["different"])))
    return markdown(("emulated", "beside", "files with the same bytes", "others"), rows)


# --- figures in prose ---


def value(name: str) -> str:
    """A figure, by its name: a metric such as `test.ndcg.EASE`, `minus.EASE.low`, or one of `VALUES`."""
    kind, _, of = name.partition(".")
    if kind in ("test", "valid"):
        of_metric, _, model = of.partition(".")
        return four(metric(f"{kind}/{of_metric}@20")[model]) or ""
    if kind == "minus":
        model, _, bound = of.partition(".")
        return four(metric(f"test/ndcg@20_model_minus{'_' if bound else ''}{bound}")[model]) or ""
    if name not in VALUES:
        raise UserError(f"no figure is called {name}; there are {', '.join(sorted(VALUES))}.")
    return VALUES[name]()


def of_ablation(variant: str) -> str:
    """A validation NDCG@20 of the ablation."""
    return four(bench("ablation")["variants"][variant]["ndcg@20"]) or ""


VALUES: dict[str, Callable[[], str]] = {
    "n_ratings": lambda: f"{read(ROOT / 'metrics/data.json')['ratings']['kept']:,}",
    "ablation.graph": lambda: of_ablation("the graph model alone"),
    "ablation.whole": lambda: of_ablation("the default"),
    "pipeline_seconds": lambda: f"{bench('verify')['seconds']['2 threads']:.0f}",
    "fit_seconds": lambda: f"{bench('published_ml1m')['model']['fit_seconds']:.0f}",
    "ablation.without_embeddings": lambda: of_ablation("kernels without the graph's embeddings"),
    "same_second": lambda: f"{bench('sequences')['same_second']:.1%}",
    "within_minute": lambda: f"{bench('sequences')['within_minute']:.1%}",
    "processor": lambda: bench("verify")["about"]["machine"]["processor"],
}
