"""`make dag`: the stages of the pipeline, each with the stages that it waits for; `dvc dag` needs a wide screen.

A stage that is waited for anyway, through another one, is left out.
"""

from pathlib import Path

import networkx as nx
from dvc.repo import Repo

ROOT = Path(__file__).resolve().parent.parent


def direct_needs(root: Path = ROOT) -> dict[str, list[str]]:
    """By stage, in the order of dvc.yaml, the stages that it waits for and that no other of these waits for."""
    with Repo(str(root)) as repo:
        of_pipeline = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
        reduced = nx.transitive_reduction(repo.index.graph.subgraph(of_pipeline))
        order = {stage: place for place, stage in enumerate(of_pipeline)}
        return {of.name: [need.name for need in sorted(reduced[of], key=order.__getitem__)] for of in of_pipeline}


if __name__ == "__main__":
    needs = direct_needs()
    width = max(map(len, needs))
    for stage, of in needs.items():
        print(f"{stage:{width}}  {'◄─ ' if of else ''}{', '.join(of)}".rstrip())
