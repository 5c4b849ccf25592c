"""Work of several threads, with results in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, at_once: int | None = None
) -> Generator[Result]:
    """Yield `function(item)` for each item, in order.

    The number of items may be infinite. When the caller stops iterating, work that has not begun is cancelled.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int
        Number of threads that compute. With one, each item is computed only when the caller takes it.
    at_once : int, optional
        Maximum number of items that are being computed, wait to be taken or are in use; by default twice as many as threads.
    """
    if threads == 1:
        yield from map(function, items)
        return
    pool, remaining = ThreadPoolExecutor(threads), iter(items)
    try:
        pending = deque(pool.submit(function, item) for item in islice(remaining, at_once or 2 * threads))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(remaining, 1))
    finally:
        pool.shutdown(cancel_futures=True)
