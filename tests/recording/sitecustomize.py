"""Python loads this by itself where its folder is on PYTHONPATH: notes what a stage opens and which params it reads, in $MOVIEREC_RECORD."""

import atexit
import json
import os
import sys
import types
from pathlib import Path

script = next((argument for argument in sys.orig_argv[1:] if argument.startswith("stages/")), None)
if script and "MOVIEREC_RECORD" in os.environ:
    root = os.getcwd()
    read, written, params = set(), set(), set()

    def noting(of, function, position):
        """A function of pandas that opens a file out of Python's sight."""

        def call(*arguments, **options):
            of.add(os.path.abspath(os.fspath(arguments[position])))
            return function(*arguments, **options)

        return call

    def note(event, arguments):
        pandas = sys.modules.get("pandas")
        if hasattr(pandas, "read_parquet") and not hasattr(pandas, "is_noted"):
            pandas.is_noted = True
            pandas.read_parquet = noting(read, pandas.read_parquet, 0)
            pandas.DataFrame.to_parquet = noting(written, pandas.DataFrame.to_parquet, 1)
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path, _, flags = arguments
            (written if flags & (os.O_WRONLY | os.O_RDWR) else read).add(os.path.abspath(os.fspath(path)))

    class Noting(types.SimpleNamespace):
        """Hands out attributes as before; `vars()` of it is not noted."""

        def __getattribute__(self, name):
            if not name.startswith("__"):
                params.add(name)
            return super().__getattribute__(name)

    def save():
        modules = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        found = {"read": read, "written": written, "params": params, "modules": {os.path.abspath(file) for file in modules | {script} if file}}
        name = f"{Path(script).stem}.{os.getpid()}.json"
        text = json.dumps({"root": root} | {key: sorted(map(str, of)) for key, of in found.items()})
        Path(os.environ["MOVIEREC_RECORD"], name).write_text(text, encoding="utf-8")

    types.SimpleNamespace = Noting
    sys.addaudithook(note)
    atexit.register(save)
