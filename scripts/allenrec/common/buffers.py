"""Memory of blocks. Filling memory that the system must find first takes as long as computing much of what goes there."""

import numpy as np


def new_rows(n, n_columns):
    """Return (n, n_columns) float32 of any content."""
    return np.empty((n, n_columns), dtype=np.float32)


class ReusedRows:
    """As `new_rows`, but of the same memory at each call: what the call before returned is lost."""

    def __init__(self):
        self._values = np.empty(0, dtype=np.float32)

    def __call__(self, n, n_columns):
        if self._values.size < n * n_columns:
            self._values = np.empty(n * n_columns, dtype=np.float32)
        return self._values[: n * n_columns].reshape(n, n_columns)
