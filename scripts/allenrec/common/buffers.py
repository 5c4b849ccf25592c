"""Memory for blocks of traces. It is reused, because filling newly allocated memory can take as long as computing the
values."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def new_rows(n: int, n_columns: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array (n, n_columns) with undefined content."""
    return np.empty((n, n_columns), dtype=dtype)


class ReusedRows:
    """A `new_rows` that reuses its memory: each call overwrites the array of its type that an earlier call returned."""

    def __init__(self) -> None:
        self._values: dict[np.dtype[Any], NDArray[Any]] = {}

    def __call__(self, n: int, n_columns: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        kind = np.dtype(dtype)
        if kind not in self._values or self._values[kind].size < n * n_columns:
            self._values[kind] = np.empty(n * n_columns, dtype=kind)
        return self._values[kind][: n * n_columns].reshape(n, n_columns)
