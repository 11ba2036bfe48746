"""SQL over tables that may be larger than memory, by DuckDB; the only file that imports it.

What does not fit into `MEMORY` goes to a scratch folder. Queries for rows ask for a total order, so that an answer does
not depend on the number of threads.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from movierec.utils.errors import UserError, cannot_write

MEMORY = "1GB"
THREADS = min(4, os.cpu_count() or 1)  # each needs its share of the memory
BATCH = 2**20  # rows
ROW = "file_row_number"  # the number of a row in a Parquet file, from 0


class Engine:
    """A connection to an in-memory database."""

    def __init__(self, scratch: Path):
        """`scratch` is a folder, which is made, for what does not fit into memory."""
        self.scratch = scratch
        scratch.mkdir()
        spilled = str(scratch / "spilled")
        config: dict[str, Any] = {"threads": THREADS, "memory_limit": MEMORY, "temp_directory": spilled}
        # Nothing is fetched from the network, whatever a query may seem to need.
        config |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        self.connection = duckdb.connect(config=config)
        self.connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def open(self, name: str, path: Path) -> None:
        """Call the rows of a Parquet file `name`, with their numbers as `ROW`."""
        table = f"read_parquet({literal(path)}, file_row_number = true)"
        self.rows(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {table}")

    def insert(self, name: str, rows: pa.Table) -> None:
        """Append rows to a table, which is created if there is none."""
        with self._user_errors():
            self.connection.register("inserted", rows)
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM inserted LIMIT 0")
            self.connection.execute(f"INSERT INTO {name} SELECT * FROM inserted")
            self.connection.unregister("inserted")

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        """Run a statement, with `values` for its question marks: the rows of its answer."""
        with self._user_errors():
            return self.connection.execute(sql, values).fetchall()

    def arrays(self, sql: str, *values: Any) -> list[np.ndarray]:
        """The columns of an answer."""
        with self._user_errors():
            return list(self.connection.execute(sql, values).fetchnumpy().values())

    def frame(self, sql: str) -> pd.DataFrame:
        """The rows of an answer as a data frame."""
        with self._user_errors():
            return self.connection.sql(sql).to_arrow_table().to_pandas()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a long answer, in batches."""
        with self._user_errors():
            yield from self.connection.sql(sql).to_arrow_reader(BATCH)

    @staticmethod
    @contextlib.contextmanager
    def reading(path: Path) -> Iterator[None]:
        """Turn the errors of DuckDB and Arrow about a file that somebody brings into a UserError."""
        try:
            yield
        except (pa.ArrowException, duckdb.Error, OSError) as error:
            reason = " ".join(str(error).split())[:100]
            raise UserError(f"{path} is not readable ({reason}); write it again.") from None

    @contextlib.contextmanager
    def _user_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(str(error)) from error
        except duckdb.IOException as error:
            raise UserError(cannot_write(self.scratch, OSError(" ".join(str(error).split())))) from error


def literal(path: Path) -> str:
    """A path in SQL, with its special characters escaped."""
    return quote("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)))


def quote(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
