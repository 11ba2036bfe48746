"""`make fuzz`: the tests of readers with any content, each for its share of the time, with new examples at each run."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["tests/data/test_bad_data.py", "-k", "test_any_"]
# One stream, and a session of its own, so that an interrupt reaches only this process.
OPTIONS = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}


def pytest(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments], **OPTIONS)


def fuzz(test: str, seconds: float) -> str | None:
    """Run a test for some seconds: its output if it failed, else None."""
    running = pytest(test, "--hypothesis-profile=fuzz")
    try:
        output, _ = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGINT)
        try:
            output, _ = running.communicate(timeout=10)
        except subprocess.TimeoutExpired:  # a process that was started in the background ignores SIGINT
            running.kill()
            output, _ = running.communicate()
    return output if running.returncode == 1 or "Failing test case" in output else None


def main(seconds: float) -> int:
    listed, _ = pytest("--collect-only", *TESTS).communicate()
    tests = [line for line in listed.splitlines() if "::" in line]
    if not tests:
        sys.exit(f"no test is collected:\n{listed}")
    share, n_failed = seconds / len(tests), 0
    for test in tests:
        failure = fuzz(test, share)
        print(f"{test.split('::')[1]}: {'failed' if failure else f'no failure in {share:.0f} s'}", flush=True)
        if failure:
            n_failed += 1
            print(failure[-4000:])
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
