"""`make stale`: the results of benchmarks/results/ whose code or data have changed, with those of frozen stages.

`dvc status` says nothing of a frozen stage. Data that are not on this machine are not compared.
"""

from pathlib import Path

from dvc.repo import Repo

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = "benchmarks/dvc.yaml"


def stale(root: Path = ROOT) -> dict[str, list[str]]:
    """The changed dependencies of each stage of the benchmarks that has any."""
    found = {}
    with Repo(str(root)) as repo, repo.lock:
        for stage in repo.index.stages:
            if stage.path_in_repo == PIPELINE:
                stage.frozen = False  # in memory, so that its dependencies are compared
                found[stage.name] = modified(stage.status())
    return {name: paths for name, paths in found.items() if paths}


def modified(status: dict) -> list[str]:
    """The dependencies that DVC's status of a stage has as modified or new, without those that are missing."""
    changes = {}
    for entry in (entry for entries in status.values() for entry in entries if isinstance(entry, dict)):
        changes |= entry.get("changed deps", {})
    return [path for path, change in changes.items() if change in ("modified", "new")]


if __name__ == "__main__":
    results = stale()
    for name, paths in results.items():
        print(f"{name}: changed {', '.join(paths)}")
    print(f"Results behind the code or the data: {len(results)}")
