"""Operations whose bits the libraries choose by processor, in a form that has the same bits on all of x86-64.

Matrix products are NumPy's: OpenBLAS takes one kind of kernel (`PINNED` in movierec/__init__.py), where torch's MKL has
one for each brand, or is slow. A product is divided into blocks of rows that depend on its shape alone, and each is the
work of one thread: so that the number of threads changes no bit either.

Elementwise, MKL approximates exp, log and sqrt by instructions of each brand. Those that matter here are torch's exp2,
which is its own, and NumPy's log and sqrt.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import movierec

N_BLOCKS, SMALLEST, LARGEST = 8, 64, 512  # of the rows of a product
LOG2_E = 1.4426950408889634


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """a @ b: (m, k) and (k, n) to (m, n), float32 or float64, without a gradient."""
    if a.device.type != "cpu":
        return torch.mm(a, b, out=out)
    out = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype) if out is None else out
    left, right, result = a.detach().numpy(), b.detach().numpy(), out.detach().numpy()
    rows = min(max(-(-len(left) // N_BLOCKS), SMALLEST), LARGEST)

    def block(begin: int) -> None:
        np.matmul(left[begin : begin + rows], right, out=result[begin : begin + rows])

    begins, threads = range(0, len(left), rows), torch.get_num_threads()
    if not movierec.IN_TIME:
        np.matmul(left, right, out=result)
    elif threads == 1 or len(begins) == 1:
        for begin in begins:
            block(begin)
    else:
        list(_pool(threads).map(block, begins))
    return out


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
    return x.mul_(LOG2_E).exp2_()


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    if x.device.type != "cpu":
        return x.log()
    with np.errstate(divide="ignore"):  # of 0, minus infinity
        return torch.from_numpy(np.log(x.numpy()))


def sqrt(x: Tensor) -> Tensor:
    """The square root."""
    return torch.from_numpy(np.sqrt(x.numpy())) if x.device.type == "cpu" else x.sqrt()
