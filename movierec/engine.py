"""Questions to tables that may be larger than memory: DuckDB over Parquet files, the only file that imports it.

What does not fit into `MEMORY` goes to a scratch folder. An answer is the same whatever the number of threads: whoever asks for
rows asks for them in a total order.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from movierec.errors import UserError

MEMORY = "1GB"
THREADS = min(4, os.cpu_count() or 1)  # each needs its share of the memory
BATCH = 2**20  # rows
ROW = "file_row_number"  # of a row of a view over a file, from 0


class Engine:
    """See the module."""

    def __init__(self, scratch: Path):
        """
        Args:
            scratch: an existing folder.
        """
        self.scratch = scratch
        # Nothing is fetched from the network, whatever a query may seem to need.
        config = {"threads": THREADS, "memory_limit": MEMORY, "temp_directory": str(scratch / "spilled"), "autoinstall_known_extensions": False, "autoload_known_extensions": False}
        self.connection = duckdb.connect(config=config)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def open(self, name: str, path: Path) -> None:
        """Call a Parquet file's rows `name`, numbered by `ROW`."""
        self.run(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet({literal(path)}, file_row_number = true)")

    def keep(self, name: str, rows: pa.Table) -> None:
        """Append rows to the table `name`, which is made if there is none."""
        with self._naming():
            self.connection.register("kept", rows)
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM kept LIMIT 0")
            self.connection.execute(f"INSERT INTO {name} SELECT * FROM kept")
            self.connection.unregister("kept")

    def run(self, sql: str, *values) -> None:
        """Run a statement; `values` stand for its question marks."""
        with self._naming():
            self.connection.execute(sql, values)

    def ask(self, sql: str, *values) -> list[tuple]:
        """The rows of a short answer."""
        with self._naming():
            return self.connection.execute(sql, values).fetchall()

    def arrays(self, sql: str, *values) -> list[np.ndarray]:
        """The columns of an answer."""
        with self._naming():
            return list(self.connection.execute(sql, values).fetchnumpy().values())

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a long answer, some at a time."""
        with self._naming():
            yield from self.connection.sql(sql).to_arrow_reader(BATCH)

    @contextlib.contextmanager
    def _naming(self):
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(str(error)) from error
        except duckdb.IOException as error:
            raise UserError(f"{self.scratch}: {' '.join(str(error).split())}; free some space or mend the permissions, then run it again.") from error


def literal(path: Path) -> str:
    """A path in SQL: it stands for itself alone, whatever characters it has."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return "'" + plain.replace("'", "''") + "'"
