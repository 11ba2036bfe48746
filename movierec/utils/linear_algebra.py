"""Singular vectors and a matrix inverse whose bits do not depend on the number of threads."""

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.utils.operations import one_thread, product


def singular_vectors(
    matrix: sp.csr_matrix, rank: int, seed: int, n_iter: int | str = "auto"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The leading singular vectors, by a randomised SVD (Halko et al. 2011), in float32.

    Args:
        matrix: (n, m).
        rank: the number of vectors, k.
        seed: of the random start.
        n_iter: power iterations; see scikit-learn's `randomized_svd`.

    Returns:
        Left vectors (n, k), singular values (k,), right vectors (k, m).
    """
    from sklearn.utils.extmath import randomized_svd  # takes most of a second, and recommending does not need it

    with one_thread():
        return randomized_svd(matrix.astype(np.float32), rank, n_iter=n_iter, random_state=seed)


def invert_spd_(matrix: Tensor, base: int = 256) -> Tensor:
    """Invert a symmetric positive definite matrix in place, by recursive block inversion.

    With M = [[A, B], [B^T, C]], W = A^-1 B and the Schur complement S = C - B^T W,

        M^-1 = [[A^-1 + W S^-1 W^T, -W S^-1], [-(W S^-1)^T, S^-1]]

    Nearly all of the work is matrix products: two thirds of a general inverse, with half a matrix of extra memory.
    Unlike LAPACK's inverse, the bits are the same for any number of threads.

    Args:
        matrix: (n, n) float32 or float64; overwritten, and may be a view.
        base: size at which NumPy inverts, in one thread.

    Returns:
        The same tensor.
    """
    n = len(matrix)
    if n <= base:
        with one_thread():
            return matrix.copy_(torch.from_numpy(np.linalg.inv(matrix.numpy())))
    h = n // 2
    a, b, c = matrix[:h, :h], matrix[:h, h:], matrix[h:, h:]
    w = product(invert_spd_(a, base), b)  # (h, n - h)
    c -= product(b.T, w)
    w_s = product(w, invert_spd_(c, base))
    a += product(w_s, w.T)
    torch.neg(w_s, out=b)
    matrix[h:, :h] = b.T
    return matrix
