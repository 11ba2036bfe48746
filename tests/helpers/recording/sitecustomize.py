"""Python loads this from PYTHONPATH: it records what a stage opens and which params it reads, in $MOVIEREC_RECORD."""

import atexit
import json
import os
import sys
from pathlib import Path

script = next((argument for argument in sys.orig_argv[1:] if argument.startswith("stages/")), None)
if script and "MOVIEREC_RECORD" in os.environ:
    root = os.getcwd()
    read, written, params, patched = set(), set(), set(), set()

    def recording(of, function, position):
        """A function of pandas that opens a file without Python's `open`."""

        def call(*arguments, **options):
            of.add(os.path.abspath(os.fspath(arguments[position])))
            return function(*arguments, **options)

        return call

    def patch_pandas(pandas):
        pandas.read_parquet = recording(read, pandas.read_parquet, 0)
        pandas.DataFrame.to_parquet = recording(written, pandas.DataFrame.to_parquet, 1)

    def patch_params(module):
        original = module.Section.__getattribute__

        def get(self, name):
            if not name.startswith("_") and name in type(self).model_fields:
                group = type(self).__name__.lower()
                params.add(name if group == "params" else f"{group}.{name}")
            return original(self, name)

        module.Section.__getattribute__ = get

    def record(event, arguments):
        for name, attribute, patch in (
            ("pandas", "read_parquet", patch_pandas),
            ("movierec.utils.params", "read_params", patch_params),
        ):
            module = sys.modules.get(name)
            if name not in patched and hasattr(module, attribute):
                patched.add(name)
                patch(module)
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path, _, flags = arguments
            (written if flags & (os.O_WRONLY | os.O_RDWR) else read).add(os.path.abspath(os.fspath(path)))

    def save():
        modules = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        modules = {os.path.abspath(file) for file in modules | {script} if file}
        found = {"read": read, "written": written, "params": params, "modules": modules}
        text = json.dumps({"root": root} | {key: sorted(map(str, of)) for key, of in found.items()})
        Path(os.environ["MOVIEREC_RECORD"], f"{Path(script).stem}.{os.getpid()}.json").write_text(
            text, encoding="utf-8"
        )

    sys.addaudithook(record)
    atexit.register(save)
