"""Check a commit: dvc.lock belongs to its code and params, and the reference run beats every baseline."""

import json
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
BASELINES = {"EASE", "item-kNN", "popularity"}


def stages_to_run() -> list[str]:
    """The stages that `dvc repro` would run."""
    command = [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"make check-lock: dvc repro --dry failed:\n{done.stdout}{done.stderr}")
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage ")]


def stages_with_former_deps() -> list[str]:
    """The stages with a dependency in dvc.lock that dvc.yaml has no longer: `dvc repro` passes over it."""
    lock, pipeline, params = (YAML(typ="safe").load(ROOT / name) for name in ("dvc.lock", "dvc.yaml", "params.yaml"))

    def has_former(stage: str) -> bool:
        declared = {dep.replace("${data_path}", params["data_path"]) for dep in pipeline["stages"][stage]["deps"]}
        return not {dep["path"] for dep in lock["stages"][stage].get("deps", ())} <= declared

    return [stage for stage in lock["stages"] if has_former(stage)]


def problem() -> str | None:
    """The fault of the commit, or None."""
    if stages := stages_to_run():
        return f"dvc.lock is behind the code or params of {', '.join(stages)}: run `dvc repro` and commit the changes."
    if stages := stages_with_former_deps():
        return f"dvc.lock has dependencies that dvc.yaml has no longer: run `dvc commit -f {' '.join(stages)}`."
    # The low end of the 95% interval of NDCG@20 on test, the model's minus the baseline's.
    file = "metrics/test/ndcg@20_model_minus_low.json"
    margins = json.loads((ROOT / file).read_text(encoding="utf-8"))
    if equals := [name for name in sorted(BASELINES | set(margins)) if margins.get(name, 0) <= 0]:
        return f"{file}: the model is not clearly better than {', '.join(equals)}."
    return None


if __name__ == "__main__":
    if found := problem():
        sys.exit(f"make check-lock: {found}")
    print("dvc.lock belongs to the code and the params, and the reference run beats every baseline.")
