"""The parts of a page in Markdown."""

import re
from pathlib import Path

import pytest
from markdown_pages import Page, commands_of, pages, without_comment


def page(text):
    return Page(Path("page.md"), text)


def test_blocks_have_a_language_a_text_and_a_line():
    found = page(
        "a\n```sh\nls\n```\n\n- in a list\n\n    ```python\n    x = 1\n    if x:\n        y\n    ```\n~~~\n```\n~~~\n"
    )
    assert [(block.name, block.text, block.line) for block in found.blocks] == [
        ("sh", "ls\n", 3),
        ("python", "x = 1\nif x:\n    y\n", 9),
        ("", "```\n", 14),
    ]
    assert found.blocks[0].place == "page.md:3"


@pytest.mark.parametrize("info", ["python", "python title='a'", "{ .python .annotate }", " python"])
def test_the_language_is_the_first_word(info):
    (block,) = page(f"```{info}\nx\n```\n").blocks
    assert block.name == "python"


def test_an_open_fence_is_an_error():
    with pytest.raises(AssertionError, match="not closed"):
        _ = page("```sh\nls\n").blocks


def test_commands_of_sh_and_console():
    found = page(
        "```sh\n# first\nmake repro   # the run\ndvc exp run \\\n    -S lr=0.1 \\\n    train\n\n```\n"
        "```console\n$ ls -l\nfile # here\n$ dvc \\\n> dag\n| output |\n```\n```text\nmake no\n```\n"
        "```bash\nmake no\n```\n"
    )
    assert [(command.text, command.line) for command in found.commands] == [
        ("make repro", 3),
        ("dvc exp run -S lr=0.1 train", 4),
        ("ls -l", 10),
        ("dvc dag", 12),
    ]
    assert commands_of(found.blocks[2]) == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("a 'b # c' # d", "a 'b # c'"),
        ("a#b", "a#b"),
        ("# only", ""),
        ('a "b" #c', 'a "b"'),
        ("  ls  ", "ls"),
        ("git commit -m 'it #1", "git commit -m 'it #1"),
    ],
)
def test_a_comment_begins_outside_of_quotes(command, expected):
    assert without_comment(command) == expected


TABLES = """| a |
|---|
| `0.5` |

<!-- table: params -->
| b |
|---|
| 0.7 |
<!-- end of table -->

| c |
|---|

```text
| no | table |
```
"""


def test_tables_have_the_name_of_their_markers():
    found = page(TABLES).tables
    assert [(table.name, table.line, table.text.count("\n")) for table in found] == [
        ("", 1, 3),
        ("params", 6, 3),
        ("", 11, 2),
    ]
    assert "0.5" not in found[0].text  # code
    assert "0.7" in found[1].text


def test_markers_and_what_they_hold():
    found = page(
        "It is <!-- value: test.ndcg.model -->0.4<!-- end -->, and\n<!-- value: n_users --><!-- end -->; "
        "`<!-- value: no -->1<!-- end -->`.\n\n<!-- table: a-b -->\n| 1 |\n<!-- end of table -->\n<!-- table: c -->\n"
        "<!-- end of table -->\n```\n<!-- table: no -->\n<!-- end of table -->\n```\n"
    )
    assert sorted((piece.name, piece.text, piece.line) for piece in found.marked) == [
        ("a-b", "| 1 |\n", 4),
        ("c", "", 7),
        ("n_users", "", 2),
        ("test.ndcg.model", "0.4", 1),
    ]
    assert len(found.comments) == 8


NUMBER = re.compile(r"\d+")


@pytest.mark.parametrize(
    "text",
    [
        "`1`",
        "``a ` 1``",
        "`a\n1`",
        "```text\n1\n```",
        "<!-- 1 -->",
        "<!-- value: a -->1<!-- end -->",
        "<!-- table: a -->\n| 1 |\n<!-- end of table -->",
        "[a](b.md#1)",
        "[a](b(1).md 'x')".replace("'", '"'),
        "[a]: http://b/1",
        "https://a.b/1",
        "<img width='1'>",
        "---\nx: 1\n---\n",
    ],
)
def test_prose_has_no_code_markers_targets_of_links_and_tags(text):
    assert page(f"{text}\n").found_in_prose(NUMBER) == []
    later = page(f"{text}\n\nand 7").found_in_prose(NUMBER)
    assert [(piece.text, piece.line) for piece in later] == [("7", text.count("\n") + 3)]


@pytest.mark.parametrize("text", ["1", "[1](a)", "| 1 |", "a ` 1", "`a\n\n1`", "(1)", "# 1", "1 < 2, x > 0"])
def test_the_rest_is_prose(text):
    assert page(text).found_in_prose(NUMBER)


def test_the_readme_is_parsed_whole():
    readme = next(page for page in pages() if page.path.name == "README.md")
    assert {block.name for block in readme.blocks} <= {"sh", "console", "python", "text"}
    assert "make repro" in [command.text for command in readme.commands]
    for command in readme.commands:
        first = command.text.split("\\")[0].split()[0]
        assert first in readme.text.split("\n")[command.line - 1]
    assert readme.prose.count("\n") == readme.text.count("\n")
