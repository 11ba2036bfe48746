"""Operations with the same bits on any x86-64 processor: their values, and their bits for any number of threads."""

import os
import platform
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from imports import ROOT

import movierec
from movierec.utils.operations import exp_, linear, log, product, sqrt, torch_threads

SHAPES = [(1, 1, 1), (1, 64, 500), (17, 18, 24), (300, 5, 301), (700, 129, 33), (5000, 8, 3)]


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_is_the_sum_of_products_with_the_same_bits_for_any_number_of_threads(shape, dtype, threads):
    m, k, n = shape
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=generator, dtype=dtype) for size in ((m, k), (k, n)))
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(product(a, b))
        assert product(a, b, out=(out := torch.empty(m, n, dtype=dtype))) is out and torch.equal(out, found[-1])
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2]) and found[0].dtype == dtype
    exact = np.einsum("ik,kj->ij", a.double().numpy(), b.double().numpy())
    np.testing.assert_allclose(found[0], exact, atol=1e-4 if dtype == torch.float32 else 1e-12)


def test_a_product_takes_transposed_matrices_and_parts():
    a, b = torch.randn(40, 9), torch.randn(30, 40)
    expected = (a.double().T @ b.double().T)[2:7]
    torch.testing.assert_close(product(a.T[2:7], b.T).double(), expected, atol=1e-5, rtol=1e-5)


def test_a_linear_layer_has_the_value_and_gradient_of_torchs():
    layer, x = torch.nn.Linear(5, 3), torch.randn(7, 5, requires_grad=True)
    results = []
    for forward in (layer, lambda of: linear(of, layer)):
        layer.zero_grad()
        x.grad = None
        (forward(x) ** 2).sum().backward()
        results.append((forward(x).detach(), x.grad, layer.weight.grad.clone(), layer.bias.grad.clone()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_exp_has_the_same_bits_for_any_number_of_threads(threads):
    x, found = torch.randn(301, 977), []  # above the size from which torch divides a tensor among threads
    for count in (1, 2, 3):
        threads(count)
        found.append(exp_(x.clone()))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_elementwise_functions_are_those_of_their_names():
    x = torch.tensor([[0.0, 1e-30, 0.5, 1.0, 3.0, 80.0]])
    torch.testing.assert_close(exp_(-x.clone()), torch.exp(-x.double()).float(), rtol=1e-5, atol=0)
    torch.testing.assert_close(log(x), torch.log(x.double()).float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(sqrt(x), torch.sqrt(x.double()).float(), rtol=1e-6, atol=0)
    assert not exp_(torch.full((3,), -torch.inf)).any()
    inplace = torch.zeros(3)
    assert exp_(inplace) is inplace and inplace.tolist() == [1, 1, 1]
    assert exp_(torch.tensor([-torch.inf, -200.0])).tolist() == [0, 0]


def imported(first, folder=""):
    """Whether the libraries are pinned in a new process that imports a module first: (in time, OpenBLAS as pinned)."""
    code = f"""
import sys; sys.path[:0] = ["{ROOT}", "{ROOT / folder}"]
import {first}, movierec, numpy, torch, threadpoolctl
blas = next(of for of in threadpoolctl.threadpool_info() if of["internal_api"] == "openblas")
print(movierec.IN_TIME, blas["num_threads"] == 1 and blas["architecture"] == "Haswell")"""
    environment = {name: value for name, value in os.environ.items() if name not in movierec.PINNED}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="pinned on x86-64 alone")
def test_all_ways_in_pin_the_libraries_before_they_are_loaded():
    assert movierec.IN_TIME and all(name in os.environ for name in movierec.PINNED)
    assert pa.default_memory_pool().backend_name == "system", "tables that are gone leave no memory behind"
    for first, folder in (("_stage", "stages"), ("_bench", "benchmarks")):
        assert imported(first, folder) == ["True", "True"], first
    assert imported("numpy")[0] == "False"


def test_on_another_kind_of_processor_only_the_number_of_threads_is_pinned():
    code = "import os, types; os.uname = lambda: types.SimpleNamespace(machine='aarch64'); import movierec"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(*movierec.PINNED)"], cwd=ROOT, capture_output=True)
    assert done.stdout.split() == [b"OPENBLAS_NUM_THREADS"]


def test_a_program_that_has_loaded_numpy_before_gets_the_same_products(monkeypatch):
    monkeypatch.setattr(movierec, "IN_TIME", False)
    a, b = torch.randn(700, 30), torch.randn(30, 20)
    torch.testing.assert_close(product(a, b), a @ b, rtol=1e-4, atol=1e-4)


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()

    def failing():
        with torch_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert torch.get_num_threads() == before
