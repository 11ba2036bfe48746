"""`make describe`: write the descriptions of params, and the files to read first, into params.yaml and README.md."""

import argparse
import re
import sys
import typing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pydantic.fields import FieldInfo

from movierec.utils.params import Params, Section, param_names, read_yaml

PARAMS, README, DVC = (ROOT / name for name in ("params.yaml", "README.md", "dvc.yaml"))
BEGIN, END = "<!-- {}: written by make describe -->\n", "<!-- end of {} -->"
HEAD = """# Every number that a run depends on. Change one and `dvc repro` runs only the stages that read it;
# `dvc exp run -S lr=0.003` does the same without editing this file. `make describe` writes the comments, from
# movierec/utils/params.py.
"""
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
HEADINGS = {
    "dataset": "data",
    "split_strategy": "split",
    "rating_power": "graph",
    "ease": "baselines",
    "embedding_dim": "model",
    "device": "training",
    "next": "next-movie model (split strategies by time)",
    "mask": "evaluation and recommendations",
}
WIDTH = 24  # of a key and its value, before the comment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is behind the code")
    check = parser.parse_args().check
    values, readme = read_yaml(PARAMS), README.read_text(encoding="utf-8")
    readme = filled(readme, "params", table(values, read_yaml(DVC)["stages"]))
    texts = {PARAMS: params_file(values), README: filled(readme, "reading", reading_list())}
    behind = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    if check and behind:
        sys.exit(f"{', '.join(path.name for path in behind)}: behind the code; run `make describe`.")
    for path in behind:
        path.write_text(texts[path], encoding="utf-8")


def filled(text: str, name: str, content: str) -> str:
    """The text with new content between the markers of a name."""
    before, rest = text.split(BEGIN.format(name))
    _, after = rest.split(END.format(name))
    return f"{before}{BEGIN.format(name)}{content}{END.format(name)}{after}"


def reading_list() -> str:
    """The files to read first, with their line counts."""
    rows = ["| file | lines | subject |", "|---|---|---|"]
    for path, subject in READING.items():
        n_lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        rows.append(f"| [`{path}`]({path}) | {n_lines} | {subject} |")
    return "\n".join(rows) + "\n"


def params_file(values: dict[str, Any]) -> str:
    """params.yaml with its comments."""
    lines = []
    for name, field in Params.model_fields.items():
        if name in HEADINGS:
            lines += ["", f"# --- {HEADINGS[name]} ---"]
        if isinstance(values[name], dict):
            lines.append(f"{name}:")
            section = typing.cast("type[Section]", field.annotation)
            for key, of in section.model_fields.items():
                lines += [f"  {line}" for line in entry(key, values[name][key], of)]
        else:
            lines += entry(name, values[name], field)
    return HEAD + "\n".join(lines) + "\n"


def entry(key: str, value: Any, field: FieldInfo) -> list[str]:
    """A param with its comment; lists are in block style, as `-S` rewrites others."""
    items = [f"- {shown(item)}" for item in value] if isinstance(value, list) else []
    first = f"{key}:" if items else f"{key}: {shown(value)}"
    of_range = "" if field.annotation is str else f" ({allowed(field)})"
    return [f"{first:<{WIDTH}} # {field.description}{of_range}", *items]


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
    return "text" if field.annotation is str else f"in {interval(field.metadata)}"


def interval(metadata: list[Any]) -> str:
    """pydantic's limits as an interval."""
    limits = {name: getattr(of, name) for of in metadata for name in ("ge", "gt", "le", "lt") if hasattr(of, name)}
    low = f"[{limits['ge']:g}" if "ge" in limits else f"({limits['gt']:g}"
    high = f"{limits['le']:.10g}]" if "le" in limits else f"{limits['lt']:g})" if "lt" in limits else "inf)"
    return f"{low}, {high}"


def table(values: dict[str, Any], stages: dict[str, Any]) -> str:
    """The README's table: param, default, description, allowed values, and the stages that read it."""
    rows = ["| param | default | description | allowed | read by |", "|---|---|---|---|---|"]
    for name in param_names():
        group, _, key = name.rpartition(".")
        section = typing.cast("type[Section]", Params.model_fields[group].annotation) if group else Params
        field, value = section.model_fields[key], values[group][key] if group else values[key]
        of_stages = [stage for stage, of in stages.items() if {name, group} & set(of.get("params", [])) - {""}]
        listed = ", ".join(map(shown, value)) if isinstance(value, list) else shown(value)
        cells = (f"`{name}`", f"`{listed}`", field.description, allowed(field), ", ".join(of_stages))
        rows.append(f"| {' | '.join(re.sub(r'[|]', '/', str(cell)) for cell in cells)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
