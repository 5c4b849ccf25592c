"""Work of several threads, with results in order."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice


def in_order(function, items, threads, at_once=None):
    """Yield `function(item)` for each item, in order.

    The items may be endless. Work that is not asked for any more is given up.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int
        How many compute; of one, nothing is computed before it is asked for.
    at_once : int, optional
        How many items are being computed, wait to be taken or are in use; twice as many as threads.
    """
    if threads == 1:
        yield from map(function, items)
        return
    pool, items = ThreadPoolExecutor(threads), iter(items)
    try:
        pending = deque(pool.submit(function, item) for item in islice(items, at_once or 2 * threads))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)
