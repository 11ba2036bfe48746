"""Mending what a kill leaves while `dvc repro` writes dvc.lock or its list of locks, which it does in place."""

import itertools
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML, YAMLError

from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml
from movierec.utils.storage import write_text

HEADER = "schema: '2.0'\nstages:\n"
PARTS = {"deps": ("deps",), "params": ("params",), "outs": ("outs", "metrics", "plots")}  # in dvc.lock and in dvc.yaml


def mend_rwlock(path: Path) -> None:
    """Delete DVC's list of locks if it is cut off, or if none of its processes lives, as DVC takes a zombie for one."""
    for _ in range(2):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            processes = [*listed.get("write", {}).values(), *itertools.chain(*listed.get("read", {}).values())]
            if not processes or any(map(lives, processes)):
                return
        except FileNotFoundError:
            return
        except ValueError:
            pass
        time.sleep(0.3)  # another DVC may be writing it
    path.unlink(missing_ok=True)


def lives(listed: dict[str, Any]) -> bool:
    """Whether a process, {pid, cmd}, still runs: neither a zombie nor another one with its number."""
    try:
        return listed["cmd"].split()[-1] in psutil.Process(listed["pid"]).cmdline()
    except psutil.Error:
        return False


def mend_lock(path: Path) -> None:
    """Complete a dvc.lock that is cut off: whole entries stay, and the rest is taken from the last commit.

    A stage that the commit has and the file lacks is one that was cut off too: DVC itself never removes an entry.

    Raises:
        UserError: the file has the marks of a merge conflict.
    """
    if not path.exists():
        return
    text = path.read_bytes().decode("utf-8", "ignore")
    if re.search("^<{7} ", text, re.MULTILINE):
        ways = " or ".join(f"`git checkout --{side} {path.name}`" for side in ("ours", "theirs"))
        raise UserError(f"{path.name} has the marks of a merge conflict; take {ways}, then run `make repro` again.")
    begins = text.startswith(HEADER) or HEADER.startswith(text)
    if not begins or re.search(r"^(?!schema|stages)\w+:", text, re.MULTILINE):
        return  # it is in another form than DVC writes here
    found = entries(text)
    declared = read_yaml(path.with_name("dvc.yaml"))["stages"]
    if found and not is_whole(found, declared):
        found.popitem()
    committed = subprocess.run(["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True)
    for stage, entry in entries(committed.stdout.decode()).items():
        if stage.partition("@")[0] in declared:
            found.setdefault(stage, entry)
    mended = HEADER + "".join(found.values())
    if not found:
        path.unlink()
    elif mended != text:
        write_text(mended, path)
    else:
        return
    print(f"{path.name} was cut off, as by a kill: what is missing is of the last commit, or runs again", flush=True)


def entries(lock: str) -> dict[str, str]:
    """The lines of each stage's entry in the text of a dvc.lock."""
    return {entry.split(":\n")[0].strip(" '\""): entry for entry in re.split(r"^(?=  \S)", lock, flags=re.M)[1:]}


def is_whole(found: dict[str, str], declared: dict[str, Any]) -> bool:
    """Whether the last entry of a dvc.lock has all that dvc.yaml declares of the stage, to the last line."""
    stage, text = list(found.items())[-1]
    try:
        ((_, entry),) = YAML(typ="safe", pure=True).load(text).items()
        last_part, items = list(entry.items())[-1]
        last = dict(items[-1]) if last_part in ("deps", "outs") else {}
    except (YAMLError, ValueError, AttributeError, TypeError, IndexError):
        return False
    for part, keys in PARTS.items():
        n_declared = sum(len(declared.get(stage, {}).get(key, [])) for key in keys)
        if n_declared and (part not in entry or (part == last_part != "params" and len(entry[part]) < n_declared)):
            return False
    needed = {"size", "nfiles"} if str(last.get("md5")).endswith(".dir") else {"size"}
    return text.endswith("\n") and (not last or needed <= set(last))
