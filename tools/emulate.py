"""`make verify CPU=intel` or `CPU=amd`: the stages on an emulated processor, and the bytes of this one beside them.

Needs qemu-x86_64 (Debian's package qemu-user), and some minutes. The data are the first users of MovieLens 100K. The
emulated processors have AVX2; where this one has AVX-512, both are compared.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent / "benchmarks")]

import _bench
from _project import copy_project

import movierec
from movierec.datasets.download import fetch_release
from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml

PROCESSORS = {"intel": "Haswell", "amd": "EPYC-Milan"}
N_USERS = 150
# All parts of the model take part: those of a split by time, of many nodes, and of many movies.
SETTINGS = ("dataset=path", "k_core=2", "embedding_dim=16", "epochs=3", "ease.lambdas=[50,200]", "knn.neighbors=[20]")
SETTINGS += ("split_strategy=leave_one_out", "user_process=local", "softmax=sampled", "negatives=200")
SETTINGS += ("next.dim=16", "next.hidden=17", "next.epochs=2")
RESULTS = ("data", "models", "metrics", "plots")
# QEMU 7.2 crashes in NumPy's argpartition with AVX2, which t-SNE calls.
WITHOUT_AVX2 = {"NPY_DISABLE_CPU_FEATURES": f"X86_V3 {movierec.PINNED['NPY_DISABLE_CPU_FEATURES']}"}
UNCHECKED = {"data/own_data.json"}  # has the path of the data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cpu", choices=PROCESSORS)
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/emulated_CPU.json")
    args = parser.parse_args()
    cpu, model = args.cpu, PROCESSORS[args.cpu]
    _bench.commit()  # at the start, for the result
    if shutil.which("qemu-x86_64") is None:
        raise UserError("qemu-x86_64 is missing; on Debian, `apt-get install qemu-user` brings it.")
    with tempfile.TemporaryDirectory() as scratch:
        data = small_data(Path(scratch))
        projects, ways = [Path(scratch) / name for name in ("here", "there")], [[], ["qemu-x86_64", "-cpu", model]]
        with ThreadPoolExecutor() as pool:
            here, there = pool.map(run, projects, ways, [data] * 2)
    different = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    for name in different:
        print(f"differs: {name}")
    print(f"{len(there) - len(different)} of {len(there)} files have the same bytes on an emulated {model}.")
    if args.record:
        figures = {"emulated": model, "files": len(there), "different": different}
        _bench.write_result(_bench.RESULTS / f"emulated_{cpu}.json", figures)
    return bool(different)


def small_data(scratch: Path) -> Path:
    """A folder with the first users of MovieLens 100K, in its own layout."""
    whole, folder = scratch / "whole", scratch / "data"
    whole.mkdir()
    folder.mkdir()
    archives = Path(os.environ.get("MOVIELENS_ARCHIVES") or "data/archives")
    fetch_release(RELEASES["ml-100k"], archives, whole, print)
    for path in whole.iterdir():
        lines = path.read_bytes().splitlines(keepends=True)
        ratings = path.suffix in (".data", ".inter")
        kept = (line for line in lines if not ratings or not line[:1].isdigit() or int(line.split(b"\t")[0]) <= N_USERS)
        (folder / path.name).write_bytes(b"".join(kept))
    return folder


def run(project: Path, prefix: list[str], data: Path) -> dict[str, str]:
    """Run all stages by an emulator, or without one: the hash of each file that they write."""
    copy_project(project, [*SETTINGS, f"data_path={data}"])
    for part in RESULTS:  # so that all files there are written by the stages
        shutil.rmtree(project / part)
    environment = {name: value for name, value in os.environ.items() if name not in movierec.PINNED}  # the stages pin
    environment |= {"DVC_STAGE": "emulated", "PYTHONPATH": sysconfig.get_path("purelib")}
    environment |= {"OMP_NUM_THREADS": "1"} if prefix else {}
    for name, stage in read_yaml(project / "dvc.yaml")["stages"].items():
        command = [*prefix, os.path.realpath(sys.executable), *stage["cmd"].split()[1:]]
        features = environment | (WITHOUT_AVX2 if name == "draw" else {})
        done = subprocess.run(command, cwd=project, env=features, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{name} failed by {prefix or 'itself'}: {(done.stderr.strip().splitlines() or [''])[-1]}")
        print(f"{' '.join(prefix) or 'here'}: {name}", flush=True)
    files = (path for part in RESULTS for path in (project / part).rglob("*") if path.is_file())
    hashes = {str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {name: value for name, value in hashes.items() if name not in UNCHECKED}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"make verify: {error}")
