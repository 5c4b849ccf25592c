"""Numbers that are neither NaN nor infinite: no other ones are written into results."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UserError


def is_finite(values: NDArray[Any]) -> bool:
    """Return whether all numbers of an array are finite; text and integers are."""
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum is quicker, and NaN or infinite where a number is. It may also be too large.
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def require_finite(name: str, values: NDArray[Any], advice: str) -> None:
    """Raise an error if a number of an array is NaN or infinite.

    Parameters
    ----------
    name : str
        What the numbers are, as in "recording demo: its templates".
    values : numpy.ndarray
    advice : str
        The probable cause, and what to change.

    Raises
    ------
    UserError
        If one is not finite; its text is one line.
    """
    if not is_finite(values):
        raise UserError(f"{name}: {np.count_nonzero(~np.isfinite(values))} of {values.size} numbers are not finite; {advice}")
