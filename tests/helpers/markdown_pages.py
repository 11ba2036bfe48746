"""Pages in Markdown: their fenced blocks, commands, tables, markers, and the prose that is left."""

import re
import shlex
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from imports import ROOT

FENCE = re.compile(r"(?P<indent>[ >]*)(?P<fence>`{3,}|~{3,})\s*\{?\s*\.?(?P<language>[\w+-]*)")
TABLE, END_OF_TABLE = re.compile(r"<!-- table: (\S+) -->"), "<!-- end of table -->"
VALUE = re.compile(r"<!-- value: (\S+) -->(.*?)<!-- end -->", re.DOTALL)
CODE = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).)+?)(?<!`)\1(?!`)", re.DOTALL)  # within a paragraph
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINKS = [
    re.compile(r"(?<=\])\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)"),  # [text](target "title")
    re.compile(r"^\s*\[[^\]]+\]:.*$", re.MULTILINE),  # [name]: target
    re.compile(r"https?://[^\s)>]+"),
    re.compile(r"</?[A-Za-z][^<>]*>"),  # an element with its attributes
]


class Piece(NamedTuple):
    """Some text of a page, and its first line, from 1; `name` is the language of a block, or the marker of a table."""

    text: str
    path: Path
    line: int
    name: str = ""

    @property
    def place(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}"


class Page:
    """A page in Markdown."""

    def __init__(self, path: Path, text: str | None = None):
        self.path = path
        self.text = path.read_text(encoding="utf-8") if text is None else text

    @cached_property
    def blocks(self) -> list[Piece]:
        """The fenced blocks, without the indent of their fences."""
        return self._fenced[0]

    @cached_property
    def unfenced(self) -> list[str]:
        """The lines, with empty ones for blocks and their fences."""
        return self._fenced[1]

    @cached_property
    def _fenced(self) -> tuple[list[Piece], list[str]]:
        blocks, outside, opened, inside = [], [], None, []
        for number, line in enumerate(self.text.split("\n"), 1):
            if opened is None:
                opened, inside = FENCE.match(line), []
                outside.append("" if opened else line)
                continue
            outside.append("")
            if re.fullmatch(rf"[ >]*{opened['fence'][0]}{{{len(opened['fence'])},}}\s*", line):
                first = number - len(inside)
                blocks.append(Piece("".join(f"{of}\n" for of in inside), self.path, first, opened["language"]))
                opened = None
            else:
                inside.append(line.removeprefix(opened["indent"]))
        assert opened is None, f"{self.path}: a fence is not closed"
        return blocks, outside

    @cached_property
    def commands(self) -> list[Piece]:
        """The commands of blocks in sh, and those after `$ ` in console; a backslash joins lines."""
        return [command for block in self.blocks for command in commands_of(block)]

    @cached_property
    def _plain(self) -> str:
        """The page without blocks and code in backticks; markers that stand in them are none."""
        return CODE.sub(blank, "\n".join(self.unfenced))

    @cached_property
    def tables(self) -> list[Piece]:
        """The tables, with the name of their markers; the code in their cells is blank."""
        tables, name = [], ""
        for number, line in enumerate(self._plain.split("\n"), 1):
            found = TABLE.fullmatch(line)
            name = found[1] if found else "" if line == END_OF_TABLE else name
            if not re.match(r"[ >]*\|", line):
                continue
            if tables and tables[-1].line + tables[-1].text.count("\n") == number:
                tables[-1] = tables[-1]._replace(text=f"{tables[-1].text}{line}\n")
            else:
                tables.append(Piece(f"{line}\n", self.path, number, name))
        return tables

    @cached_property
    def marked(self) -> list[Piece]:
        """The names of markers of tables and of values, in `name`; the text is what they hold."""
        pieces = []
        for pattern in (re.compile(rf"^{TABLE.pattern}\n(.*?)^{END_OF_TABLE}$", re.DOTALL | re.MULTILINE), VALUE):
            pieces += [self._piece(found[2], found.start(), found[1]) for found in pattern.finditer(self._plain)]
        return pieces

    @cached_property
    def comments(self) -> list[Piece]:
        """HTML comments, markers among them."""
        return [self._piece(found[0], found.start()) for found in COMMENT.finditer(self._plain)]

    @cached_property
    def prose(self) -> str:
        """The text outside of blocks, backticks, markers, comments, targets of links and tags; lines stay in place."""
        text = re.sub(r"\A---\n.*?\n---$", blank, self._plain, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(rf"^{TABLE.pattern}$.*?^{END_OF_TABLE}$", blank, text, flags=re.DOTALL | re.MULTILINE)
        for pattern in (VALUE, COMMENT, *LINKS):
            text = pattern.sub(blank, text)
        return text

    def found_in_prose(self, pattern: re.Pattern) -> list[Piece]:
        """The matches of a pattern in the prose."""
        return [self._piece(found[0], found.start()) for found in pattern.finditer(self.prose)]

    def _piece(self, text: str, start: int, name: str = "") -> Piece:
        return Piece(text, self.path, self._plain.count("\n", 0, start) + 1, name)


def blank(found: re.Match) -> str:
    """Spaces in place of a match, so that the rest keeps its place."""
    return re.sub(r"[^\n]", " ", found[0])


def commands_of(block: Piece) -> list[Piece]:
    """The commands of a block, without comments."""
    if block.name not in ("sh", "console"):
        return []
    found, begun, start = [], "", 0
    for number, line in enumerate(block.text.split("\n"), block.line):
        if not begun:
            if block.name == "console" and not line.startswith("$ "):
                continue  # output
            line, start = line.removeprefix("$ ") if block.name == "console" else line, number
        begun += line.removeprefix("> ").strip() if begun else line.strip()
        if begun.endswith("\\"):
            begun = begun[:-1].rstrip() + " "
            continue
        command = without_comment(begun)
        found += [Piece(command, block.path, start, block.name)] if command else []
        begun = ""
    return found


def without_comment(command: str) -> str:
    """A command without the comment at its end."""
    for found in re.finditer(r"(?:^|\s)#", command):
        before = command[: found.start()]
        try:
            shlex.split(before)
        except ValueError:  # the # is in quotes
            continue
        return before.strip()
    return command.strip()


def pages() -> list[Page]:
    """README.md and the pages of docs/."""
    return [Page(path) for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
