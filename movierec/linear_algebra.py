"""What torch and LAPACK do not offer: an inverse whose bits do not depend on the number of threads."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits


def invert_spd_(matrix: torch.Tensor, base: int = 256) -> torch.Tensor:
    """Invert a symmetric positive definite matrix, (n, n) float32 or float64, in place, by halves.

    With M = [[A, B], [B^T, C]], W = A^-1 B and S = C - B^T W (the Schur complement),

        M^-1 = [[A^-1 + W S^-1 W^T, -W S^-1], [-(W S^-1)^T, S^-1]]

    Nearly all of it is matrix products: two thirds of the work of a general inverse, half a matrix of
    memory, and, unlike LAPACK's, the same bits for any number of threads.

    Args:
        matrix: is overwritten; may be a view.
        base: size from which on numpy inverts, in one thread.

    Returns:
        The same tensor.
    """
    n = len(matrix)
    if n <= base:
        with threadpool_limits(1):
            return matrix.copy_(torch.from_numpy(np.linalg.inv(matrix.numpy())))
    h = n // 2
    a, b, c = matrix[:h, :h], matrix[:h, h:], matrix[h:, h:]
    w = invert_spd_(a, base) @ b  # (h, n - h)
    w_s = w @ invert_spd_(c.addmm_(b.T, w, alpha=-1), base)
    a.addmm_(w_s, w.T)
    torch.neg(w_s, out=b)
    matrix[h:, :h] = b.T
    return matrix
