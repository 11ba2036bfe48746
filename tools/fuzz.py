"""What `make fuzz` runs: the tests that take any file at all, each for its share of the time, with other examples at each run."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def main(seconds: float) -> int:
    listed = subprocess.run([*PYTEST, "--collect-only", "tests/test_bad_data.py", "-k", "whatever"], cwd=ROOT, capture_output=True, text=True, check=True)
    tests = [line for line in listed.stdout.splitlines() if "::" in line]
    found = 0
    for test in tests:
        running = subprocess.Popen(
            [*PYTEST, test, "--hypothesis-profile=fuzz"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            output, _ = running.communicate(timeout=seconds / len(tests))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            try:
                output, _ = running.communicate(timeout=10)
            except subprocess.TimeoutExpired:  # started in the background, a process does not hear it
                running.kill()
                output, _ = running.communicate()
        failed = running.returncode == 1 or "Failing test case" in output
        found += failed
        print(f"{test.split('::')[1]}: {'found something' if failed else f'nothing found in {seconds / len(tests):.0f} s'}", flush=True)
        if failed:
            print(output[-4000:])
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
