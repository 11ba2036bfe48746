"""Checks of arrays that come from a file, before code relies on their types, shapes and values."""

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np

from movierec.utils.errors import UserError, printable

LARGEST = 1e6  # of a model's numbers, beside the weights of interactions
# What code meets in arrays that a program of this project did not write.
DAMAGE = (KeyError, ValueError, TypeError, IndexError, RuntimeError, OverflowError, AttributeError, MemoryError)


@contextlib.contextmanager
def checking(source: str) -> Iterator[None]:
    """Turn what is found wrong in a file's arrays into a UserError that names the file."""
    try:
        yield
    except DAMAGE as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(printable(str(error)).split())[:200]
        raise UserError(f"{source} is damaged ({reason}); delete it and run `dvc repro`.") from None


def check_arrays(arrays: Mapping[str, np.ndarray], schema: Mapping[str, str], sizes: dict[str, int]) -> None:
    """Check types and shapes, and that all numbers are finite and of a plausible size.

    Args:
        arrays: by name.
        schema: name to type (`int` is any signed one) and sizes, such as 'float32 n_users dim'.
        sizes: known ones by name; others are those of the first array that has them, and are added.

    Raises:
        KeyError: an array is missing.
        ValueError: an array is wrong.
    """
    for name, wanted in schema.items():
        dtype, *dims = wanted.split()
        array = arrays[name]
        shape = tuple(sizes.setdefault(dim, size) for dim, size in zip(dims, array.shape, strict=False))
        of_type = array.dtype.kind == "i" if dtype == "int" else array.dtype == dtype
        if not of_type or array.shape != shape or len(dims) != array.ndim:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {wanted}")
        if array.dtype.kind == "f" and array.size:
            highest = np.finfo(array.dtype).max if name.endswith(("data", "weight")) else LARGEST
            if not (array.min() >= -highest and array.max() <= highest):  # neither, of NaN
                raise ValueError(f"{name} has values that are not finite, or far too large")


def check_rising(name: str, array: np.ndarray) -> None:
    """Raise a ValueError unless an array rises, from 0 or more."""
    if (array[1:] <= array[:-1]).any() or (array[:1] < 0).any():  # differences could overflow
        raise ValueError(f"{name} does not rise from 0 or more")


def check_lists(name: str, indptr: np.ndarray, items: np.ndarray, n_items: int) -> None:
    """Raise a ValueError unless `indptr` divides `items`, which are indices below n_items."""
    if indptr[0] != 0 or indptr[-1] != len(items) or (indptr[1:] < indptr[:-1]).any():  # see `check_rising`
        raise ValueError(f"{name}.indptr does not divide its indices")
    if len(items) and not (items.min() >= 0 and items.max() < n_items):
        raise ValueError(f"{name} has indices out of range")


def check_rows(name: str, indptr: np.ndarray, columns: np.ndarray, n_columns: int) -> None:
    """Raise a ValueError unless these are the arrays of a sparse matrix whose rows have rising columns."""
    check_lists(name, indptr, columns, n_columns)
    falls = columns[1:] <= columns[:-1]
    starts = indptr[(indptr > 0) & (indptr < len(columns))]
    falls[starts - 1] = False
    if falls.any():
        raise ValueError(f"{name} has rows that are not sorted")
