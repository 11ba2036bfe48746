"""What the documentation needs beside MkDocs' plugins: included files, plain text for markers, and equations."""

import re
from html import unescape
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[1]
INCLUDE = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
TABLE = re.compile(r"^<!-- table: \S+ -->\n((?:(?!<!--).+\n)+)<!-- end of table -->$", re.MULTILINE)
VALUE = re.compile(r"<!-- value: \S+ -->|<!-- end -->")
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.+?)\\[)\]]</\1>([.,;:)]*)', re.DOTALL)


def on_page_markdown(markdown, **_):
    """Put in the file that a line `--8<-- "FILE"` names, with its links to docs/ as links between pages; drop markers.

    A comment would otherwise end the paragraph, or be a row of the table.
    """
    text = INCLUDE.sub(lambda line: (ROOT / line[1]).read_text(encoding="utf-8").replace("](docs/", "]("), markdown)
    return VALUE.sub("", TABLE.sub(r"\n\1\n", text))


def on_page_content(html, **_):
    """LaTeX, as `pymdownx.arithmatex` leaves it, to MathML: browsers show it without a script or a font."""
    return EQUATION.sub(mathml, html)


def mathml(found):
    """An equation; in a line, with the punctuation that follows it."""
    block = found[2] == "["
    equation = convert(unescape(found[3]).strip(), display="block" if block else "inline") + found[4]
    return equation if block else f'<span class="equation">{equation}</span>'
