"""Files in blocks: whatever the blocks and the way they are parsed, the same comes out."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from movierec import own_data, rating_blocks
from movierec.blocks import TEXTS, Block, LinesFile, blocks_of, parse_numbers, side_by_side
from movierec.cleaning import clean
from movierec.delimited import Form, read_text
from movierec.engine import Engine
from movierec.errors import UserError
from movierec.movielens import read_folder
from movierec.storage import TableWriter, write_table, writing_table


@given(content=st.text("ab\n\r", max_size=40), size=st.integers(1, 12), mark=st.booleans())
@example(content="\r\n" * 3 + "a\r\r\n\n", size=1, mark=True)
def test_the_blocks_together_are_the_text_and_each_knows_its_first_line(tmp_path_factory, content, size, mark):
    path = tmp_path_factory.mktemp("blocks") / "x"
    path.write_bytes(b"\xef\xbb\xbf" * mark + content.encode())
    blocks = list(blocks_of(path, size))
    if not content.strip():
        assert blocks == []
        return
    text = read_text(path, "utf-8")
    assert "\n".join(block.data.decode() for block in blocks) == text
    firsts = np.cumsum([1, *(block.n_lines for block in blocks)])
    assert [block.first for block in blocks] == firsts[:-1].tolist() and firsts[-1] == 1 + len(text.split("\n"))
    assert not any(block.data.endswith(b"\n") or not block.data for block in blocks)


FORM = Form("::", 4, {0: "UserID", 1: "MovieID", 2: "Rating", 3: "Timestamp"})
TYPES = {"UserID": pa.int64(), "MovieID": TEXTS, "Rating": TEXTS, "Timestamp": pa.int64()}


@pytest.mark.parametrize("line", ["1::2::3", "1::2::3::4::5", "1::2::3:4", "x::2::3::4", "::2::3::4", "1.0::2::3::4", "", '"1"::2::3::4', f"{'9' * 19}::2::3::4", f"{'1'.zfill(19)}::2::3::4", "1::2::3::4\x1f"])
def test_what_is_not_plain_numbers_is_left_to_the_careful_parse(line):
    good = b"1::2::3.5::978300760"
    assert parse_numbers(Block(1, good), FORM, TYPES).to_pylist() == [{"UserID": 1, "MovieID": "2", "Rating": "3.5", "Timestamp": 978300760}]
    assert parse_numbers(Block(1, good + b"\n" + line.encode() + b"\n" + good), FORM, TYPES) is None


def test_things_are_worked_on_side_by_side_and_come_in_order_and_an_error_comes_through():
    assert list(side_by_side(lambda n: n * n, range(20), threads=3)) == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda n: 1 / n, [1, 0], threads=2))


NUMBER = st.one_of(
    st.sampled_from([*"123", "007", "0", "10", "2147483647", "2147483648", "1".zfill(19), "1" * 19, "", "x", "-1", "1.0", "é", "1e1", '"', "\x1f", " 1"]), st.integers(0, 30).map(str)
)
STARS = st.sampled_from(["5", "0.5", "4.50", "3.0", "3.7", "0", "", "05", "5.", "nan"])
TIMES = st.sampled_from(["0", "1", "978300760", "978300760.0", "978300760.5", "4294967296", "4294967297", "", "1000000000"])
PLAIN = st.tuples(st.sampled_from("123"), st.sampled_from("123"), st.sampled_from(["5", "0.5", "4.50"]), st.sampled_from("123"))
ROWS = st.lists(st.one_of(PLAIN, st.tuples(NUMBER, NUMBER, STARS, TIMES), st.lists(NUMBER, max_size=5)), max_size=12)
# Separator, file of ratings, header, and the other files.
LAYOUTS = {
    "1m": ("::", "ratings.dat", "", {"users.dat": "1::F::1::1::1\n2::M::1::1::1\n", "movies.dat": "1::A::\n2::B::\n3::C::\n"}),
    "csv": (",", "ratings.csv", "userId,movieId,rating,timestamp\n", {"movies.csv": "movieId,title,genres\n1,A,\n2,B,\n3,C,\n"}),
    "recbole": ("\t", "x.inter", "timestamp:float\tuser_id:token\titem_id:token\trating:float\n", {}),
    "table": (",", "interactions.csv", "user,item,rating,timestamp\n", {}),
    "table with items": (",", "interactions.csv", "user,item,rating,timestamp\n", {"items.csv": "item,title\n1,A\nx,B\n7,\n"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=ROWS, size=st.integers(1, 60), end=st.sampled_from(["\n", "\r\n", "\r"]), tail=st.sampled_from(["", "\n", "\n\n\n"]), latin=st.booleans())
@settings(max_examples=settings().max_examples // 5)  # each cleans four times
def test_small_blocks_one_block_and_care_alone_give_the_same(tmp_path_factory, layout, rows, size, end, tail, latin):
    folder = tmp_path_factory.mktemp("same")
    separator, name, header, others = LAYOUTS[layout]
    if layout == "recbole":
        rows = [[*row[3:4], *row[:3], *row[4:]] for row in rows]
    text = header + "\n".join(separator.join(row) for row in rows) + tail
    (folder / name).write_bytes(text.replace("\n", end).encode("latin-1" if latin else "utf-8"))
    for other, content in others.items():
        (folder / other).write_text(content)

    def found(block_size, with_care):
        out = folder / f"{block_size}{with_care}"
        with pytest.MonkeyPatch.context() as patch:
            if with_care:
                patch.setattr(rating_blocks, "parse_numbers", lambda *_: None)
                patch.setattr(own_data, "parse_numbers", lambda *_: None)
            try:
                made = clean(read_folder(folder), 1.0, out, block_size)
            except UserError as error:
                return str(error)
        hashes = [hashlib.md5((out / file).read_bytes()).hexdigest() for file in ("ratings.parquet", "rejected.csv")]
        return made.summary, made.users.to_dict(), made.movies.astype(object).to_dict(), hashes

    reference = found(2**20, with_care=True)
    assert repr(found(2**20, with_care=False)) == repr(found(size, with_care=False)) == repr(found(size, with_care=True)) == repr(reference)


def test_text_of_two_encodings_is_latin_1_as_a_whole_where_that_is_expected(tmp_path):
    _, name, _, others = LAYOUTS["1m"]
    for other, content in others.items():
        (tmp_path / other).write_text(content)
    (tmp_path / name).write_bytes("é::1::5::1\n".encode() + "é::2::5::1\n1::1::5::1\n".encode("latin-1"))
    for size in (5, 2**20):
        clean(read_folder(tmp_path), 1.0, tmp_path / "out", size)
        assert pd.read_csv(tmp_path / "out/rejected.csv")["row"].tolist() == ["Ã©|1|5|1", "é|2|5|1"]


def test_a_table_that_is_written_in_parts_has_the_bytes_of_the_whole(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for n in (0, 1, 1000, 2**20, 2**21 + 5):
        table = pd.DataFrame({"a": rng.integers(0, 2**31, n).astype("int32"), "b": rng.random(n).astype("float32")})
        write_table(table, tmp_path / "whole.parquet")
        with writing_table(tmp_path / "parts.parquet", {"a": "int32", "b": "float32"}) as writer:
            for at in range(0, n, 300_007):
                writer.append(table[at : at + 300_007])
        assert writer.n_rows == n and TableWriter.ROWS == 2**20
        assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()


def test_a_query_that_does_not_fit_into_memory_goes_to_disk_and_gives_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.permutation(4_000_000), "b": rng.random(4_000_000)})
    write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr("movierec.engine.MEMORY", "80MB")
    with Engine(tmp_path) as engine:
        engine.open("t", tmp_path / "t.parquet")
        found = np.concatenate([batch.column(1).to_numpy() for batch in engine.batches("SELECT a, b FROM t ORDER BY a")])
        spilled = (tmp_path / "spilled").exists()
    assert spilled and (found == table.sort_values("a")["b"].to_numpy()).all()


def test_files_are_found_whatever_the_letters_of_their_folder(tmp_path):
    folder = tmp_path / "it's [1]*?"
    write_table(pd.DataFrame({"a": [1, 2]}), folder / "t.parquet")
    write_table(pd.DataFrame({"a": [3]}), tmp_path / "it's 1x" / "t.parquet")
    with Engine(tmp_path) as engine:
        engine.open("t", folder / "t.parquet")
        assert engine.ask("SELECT a, file_row_number FROM t ORDER BY a") == [(1, 0), (2, 1)]


def test_a_row_is_shown_as_it_stands_in_its_line():
    file = LinesFile(Path("x"), "utf-8", Form(",", 3, {2: "a", 0: "b"}, header=True, quoted=True))
    assert file.rows(Block(7, b'1,"2",3\n\n"4,",5,6'), [7, 8, 9]) == ["3|1", "|", "6|4,"]
