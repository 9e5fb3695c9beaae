"""Sorting by small numbers, by counting them: what comes first among equals stays first."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free


def sort_by(const int64_t[::1] ranks, Py_ssize_t bound, const int64_t[::1] order, int64_t[::1] into):
    """Write `order` to `into`, sorted by the ranks of what it names; ranks are from 0 up to below `bound`."""
    cdef Py_ssize_t place, rank
    if into.shape[0] != order.shape[0]:
        raise ValueError(f"room for {into.shape[0]} of {order.shape[0]}")
    cdef Py_ssize_t *starts = <Py_ssize_t *>calloc(bound + 1, sizeof(Py_ssize_t))
    if starts == NULL:
        raise MemoryError(f"{bound} ranks")
    with nogil:
        for place in range(order.shape[0]):
            starts[ranks[order[place]] + 1] += 1
        for rank in range(bound):
            starts[rank + 1] += starts[rank]
        for place in range(order.shape[0]):
            rank = ranks[order[place]]
            into[starts[rank]] = order[place]
            starts[rank] += 1
    free(starts)
