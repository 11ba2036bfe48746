"""The time to an answer: python benchmarks/response_times.py

After `dvc repro`: commands from a cold start, beside the start of the interpreter alone; and a known user's
recommendations from `movierec serve`, with requests at a steady rate whether or not earlier ones are answered.
"""

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import _bench
import numpy as np

from movierec.recommend.export import export
from movierec.recommend.ranker import Ranker
from movierec.utils.errors import UserError

RUNS, RATE, SECONDS, CLIENTS = 15, 100, 30, 16
WARM_UP = 50  # requests
COMMANDS = {
    "--help": ["--help"],
    "a wrong argument": ["recommend", "--top", "many"],
    "like heat": ["like", "heat", "--top", "10"],
    "recommend --user 42": ["recommend", "--user", "42", "--top", "10"],
    'similar "blade runner"': ["similar", "blade runner"],
}


def main() -> None:
    args = _bench.parser(__doc__).parse_args()
    models, movies = _bench.ROOT / "models", _bench.ROOT / "data/raw/movies.dat"
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "public.npz"
        export(models, public, public=True)
        public_options = ["like", "heat", "--model", str(public)] + ["--titles", str(movies)] * movies.exists()
        commands = COMMANDS | {"like heat, of a public model": public_options}
        start = median_seconds([sys.executable, "-c", "pass"])
        rows = []
        for name, options in commands.items():
            seconds = median_seconds([sys.executable, "-m", "movierec", *options])
            rows.append({"command": name, "seconds": round(seconds, 3), "times_start": round(seconds / start, 1)})
        figures = {
            "start_seconds": round(start, 4),
            "commands": rows,
            "public_mb": round(public.stat().st_size / 1e6, 1),
        }
    with serving() as port:
        rng = np.random.default_rng(0)
        users = rng.choice(Ranker.load(models).user_ids, WARM_UP + RATE * SECONDS).tolist()
        for path in ("/recommend/{}?top=20", "/recommend/{}?top=20&because=true"):
            ask(port, [path.format(user) for user in users[:WARM_UP]])
            ms = ask(port, [path.format(user) for user in users[WARM_UP:]])
            row = {"request": f"GET {path.format('{user}')}", "requests_per_second": RATE, "requests": len(ms)}
            row |= {f"p{q}_ms": round(float(np.quantile(ms, q / 100)), 2) for q in (50, 99)}
            figures.setdefault("http", []).append(row)
    _bench.write_result(args.out, figures)


def median_seconds(command: Sequence[str]) -> float:
    """The median time of a command over `RUNS` runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=_bench.ROOT, capture_output=True, text=True)
        times.append(time.perf_counter() - began)
        if done.returncode not in (0, 2):
            raise UserError(f"{' '.join(command[2:])} failed: {done.stderr.strip()}")
    return statistics.median(times)


@contextmanager
def serving() -> Iterator[int]:
    """A process of `movierec serve`; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "movierec", "serve", "--port", str(port)], cwd=_bench.ROOT)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise UserError("the service has not started.") from None
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def ask(port: int, paths: Sequence[str]) -> list[float]:
    """Ask for paths at `RATE` a second; ms of each from the moment it was due, so that a queue counts."""
    local, began = threading.local(), time.perf_counter() + 0.2

    def request(number: int) -> float:
        due = began + number / RATE
        time.sleep(max(due - time.perf_counter(), 0))
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port)
        local.connection.request("GET", paths[number])
        response = local.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise UserError(f"{paths[number]}: {response.status} {body[:200].decode()}")
        return 1000 * (time.perf_counter() - due)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(request, range(len(paths))))


if __name__ == "__main__":
    _bench.run(main)
