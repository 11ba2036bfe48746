"""The service as a process."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from imports import ROOT
from small_recommender import USER_IDS, small, write_small

from movierec.serve import server
from movierec.utils.errors import UserError


def test_a_process_serves_on_this_machine_and_stops_when_it_is_told(tmp_path):
    write_small(tmp_path, small())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "movierec", "serve", "--models", str(tmp_path), "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/recommend/{USER_IDS[3]}?top=2") as response:
                    assert len(json.load(response)["recommendations"]) == 2
                break
            except OSError:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
        else:
            pytest.fail("no answer in 20 seconds")
    finally:
        process.terminate()
    assert process.wait(10) in (0, -15)


def test_without_the_libraries_the_error_says_how_to_get_them(tmp_path, monkeypatch):
    write_small(tmp_path, small())
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UserError, match=r"pip install 'movierec\[serve\]'"):
        server.serve(tmp_path, "127.0.0.1", 0)


def test_a_missing_model_is_an_error_before_anything_is_served(tmp_path):
    with pytest.raises(UserError, match=r"model\.npz is missing"):
        server.serve(tmp_path, "127.0.0.1", 0)
