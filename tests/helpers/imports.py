"""The project's own files that a script imports, directly or through another, from its code."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = sorted((ROOT / "movierec").rglob("*.py"))
STAGE_SCRIPTS = sorted(path for path in (ROOT / "stages").glob("*.py") if path.name != "_stage.py")


def local_imports(path: Path) -> set[Path]:
    """The project's files that running `path` loads, without `path` itself."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for module in modules(waiting.pop()):
            for file in files_of(module, path.parent):
                if file not in found:
                    found.add(file)
                    waiting.append(file)
    return found - {path}


def modules(path: Path) -> list[str]:
    """Every dotted name that a file imports, anywhere in it; `from a import b` gives a and a.b."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def files_of(module: str, script_folder: Path) -> list[Path]:
    """A module's file and its packages' `__init__.py`, if they are the project's own."""
    for top in (ROOT, script_folder):
        parts = module.split(".")
        base = top.joinpath(*parts)
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if file.is_file():
            packages = [top.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts))]
            return [file, *(p for p in packages if p.is_file())]
    return []


def dependency(file: Path) -> str:
    """The entry of dvc.yaml that stands for one of the project's code files: a package of the library, or the file."""
    parts = file.relative_to(ROOT).parts
    return "/".join(parts[:2])
