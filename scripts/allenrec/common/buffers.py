"""Memory for blocks of traces. It is reused, because filling newly allocated memory can take as long as computing the
values."""

import numpy as np
from numpy.typing import NDArray


def new_rows(n: int, n_columns: int) -> NDArray[np.float32]:
    """Return an array (n, n_columns) with undefined content."""
    return np.empty((n, n_columns), dtype=np.float32)


class ReusedRows:
    """A `new_rows` that reuses its memory: each call overwrites the array that the call before returned."""

    def __init__(self) -> None:
        self._values = np.empty(0, dtype=np.float32)

    def __call__(self, n: int, n_columns: int) -> NDArray[np.float32]:
        if self._values.size < n * n_columns:
            self._values = np.empty(n * n_columns, dtype=np.float32)
        return self._values[: n * n_columns].reshape(n, n_columns)
