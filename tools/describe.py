"""`make tables`: the comments of params.yaml, and the tables and figures of README.md and docs/, from code and results.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`, a figure in prose between
`<!-- value: NAME -->` and `<!-- end -->`; tables.py makes both.
"""

import argparse
import re
import sys
import typing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tables
from pydantic.fields import FieldInfo

from movierec.utils.errors import UserError
from movierec.utils.params import Params, Section, read_yaml

PAGES = [tables.ROOT / "README.md", *sorted((tables.ROOT / "docs").glob("*.md"))]
TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
VALUE = re.compile(r"(<!-- value: (\S+) -->).*?(<!-- end -->)", re.DOTALL)
HEAD = """# The params of a run. Change one and `dvc repro` runs only the stages that read it;
# `dvc exp run -S lr=0.003` does the same without editing this file. `make tables` writes the comments, from
# movierec/utils/params.py.
"""
HEADINGS = {
    "dataset": "data",
    "split_strategy": "split",
    "rating_power": "graph",
    "knn": "baselines",
    "embedding_dim": "model",
    "device": "training",
    "next": "next-movie model (split strategies by time)",
    "history": "evaluation and recommendations",
}
WIDTH = 24  # of a key and its value, before the comment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is behind")
    check = parser.parse_args().check
    texts = {tables.PARAMS: params_file(read_yaml(tables.PARAMS))}
    texts |= {page: filled(page.read_text(encoding="utf-8")) for page in PAGES}
    behind = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    if check and behind:
        sys.exit(f"{', '.join(path.name for path in behind)}: behind the code or the results; run `make tables`.")
    for path in behind:
        path.write_text(texts[path], encoding="utf-8")


def filled(text: str) -> str:
    """A page with its tables and figures made anew.

    Raises:
        UserError: a name is unknown, or a result is missing.
    """
    text = TABLE.sub(lambda found: f"{found[1]}{tables.table(found[2])}{found[3]}", text)
    return VALUE.sub(lambda found: f"{found[1]}{tables.value(found[2])}{found[3]}", text)


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
    items = [f"- {tables.shown(item)}" for item in value] if isinstance(value, list) else []
    first = f"{key}:" if items else f"{key}: {tables.shown(value)}"
    of_range = "" if field.annotation is str else f" ({tables.allowed(field)})"
    return [f"{first:<{WIDTH}} # {field.description}{of_range}", *items]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"describe: {error}")
