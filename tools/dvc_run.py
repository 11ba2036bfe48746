"""DVC with its arguments, but dvc.lock and the list of its locks are written beside their places and renamed.

DVC writes both in place, so that a kill in that moment leaves a part of them, with which no later run begins. Where
another version of DVC has no such function to replace, it runs as it is.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

FILES = ("dvc.lock", "rwlock")


def write_whole() -> None:
    """Replace the function with which DVC opens files."""
    try:
        from dvc_objects.fs.local import FsspecLocalFileSystem as Files

        plain = vars(Files)["open"]
    except (ImportError, KeyError):
        return

    @contextlib.contextmanager
    def whole(path: str, mode: str, encoding: str | None) -> Iterator[IO]:
        target = os.path.realpath(path)
        with open(f"{target}.partial", mode, encoding=encoding) as file:
            yield file
        os.replace(file.name, target)

    def opened(self: Any, path: str, mode: str = "r", encoding: str | None = None, **kwargs: Any) -> Any:
        if "w" in mode and os.path.basename(path) in FILES:
            return whole(path, mode, encoding)
        return plain(self, path, mode, encoding, **kwargs)

    Files.open = opened


if __name__ == "__main__":
    from dvc.cli import main

    write_whole()
    sys.exit(main(sys.argv[1:]))
