"""Operations whose bits the libraries choose by processor, in a form that has the same bits on all of x86-64.

Matrix products are NumPy's: OpenBLAS takes one kind of kernel (`PINNED` in movierec/__init__.py), where torch's MKL has
one for each brand, or is slow. A product is divided into blocks of rows that depend on its shape alone, and each is the
work of one thread: so that the number of threads changes no bit either.

Elementwise, MKL approximates exp, log and sqrt by instructions of each brand, and torch's own exp2 has other bits where
the part of a thread ends: NumPy's have neither.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

import movierec

N_BLOCKS, SMALLEST, LARGEST = 8, 64, 512  # of the rows of a product


@functools.cache
def thread_pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for work."""
    return ThreadPoolExecutor(threads)


def one_thread() -> contextlib.AbstractContextManager:
    """Have LAPACK take one thread, as its bits depend on their number; it does where the variables were set in time."""
    return contextlib.nullcontext() if movierec.IN_TIME else threadpool_limits(1)


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Have torch, and `product`, take so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """a @ b: (m, k) and (k, n) to (m, n), float32 or float64, without a gradient."""
    if a.device.type != "cpu":
        return torch.mm(a, b, out=out)
    out = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype) if out is None else out
    left, right, result = a.detach().numpy(), b.detach().numpy(), out.detach().numpy()
    if movierec.IN_TIME:
        _in_blocks(lambda at: np.matmul(left[at], right, out=result[at]), len(left))
    else:
        np.matmul(left, right, out=result)
    return out


def _in_blocks(work: Callable[[slice], Any], n_rows: int) -> None:
    """Do `work` for blocks of rows, by as many threads as torch has; the blocks do not depend on their number."""
    size = min(max(-(-n_rows // N_BLOCKS), SMALLEST), LARGEST)
    blocks, threads = [slice(begin, begin + size) for begin in range(0, n_rows, size)], torch.get_num_threads()
    if threads == 1 or len(blocks) == 1:
        for at in blocks:
            work(at)
    else:
        list(thread_pool(threads).map(work, blocks))


class _Linear(torch.autograd.Function):
    """`linear`, with its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x W^T + b."""
        ctx.save_for_backward(x, weight)
        return product(x, weight.T).add_(bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the input, the weight and the bias."""
        x, weight = ctx.saved_tensors
        return product(grad, weight), product(grad.T, x), grad.sum(dim=0)


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """The layer's x W^T + b: (n, width) to (n, width of the output)."""
    return _Linear.apply(x, layer.weight, layer.bias)


def exp_(x: Tensor) -> Tensor:
    """e^x, in place."""
    if x.device.type != "cpu":
        return x.exp_()
    values = x.numpy()
    _in_blocks(lambda at: np.exp(values[at], out=values[at]), len(values))
    return x


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    if x.device.type != "cpu":
        return x.log()
    with np.errstate(divide="ignore"):  # of 0, minus infinity
        return torch.from_numpy(np.log(x.numpy()))


def sqrt(x: Tensor) -> Tensor:
    """The square root, on the CPU."""
    return torch.from_numpy(np.sqrt(x.numpy()))
