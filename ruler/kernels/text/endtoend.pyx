"""Values [steps x series] laid end to end, series after series in an order: as a Matrix has them."""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free

from ruler.kernels.series.frames cimport check_frame

cdef enum:
    TILE = 8  # series that are gone through together: in most orders their values are in one line of the cache


def count_cells(const uint8_t[:, :] present, Py_ssize_t steps, const int64_t[::1] order, int64_t[::1] offsets):
    """Write to `offsets` where each series of the order begins, and where the last ends; how many cells there are.

    Without a mask, each has one for each of the steps.
    """
    cdef Py_ssize_t step, series, count = order.shape[0]
    cdef int64_t *counts
    if offsets.shape[0] != count + 1 or present is not None and present.shape[1] != count:
        raise ValueError(f"{offsets.shape[0]} offsets of {count} series, or a mask of others")
    for series in range(count):
        if not 0 <= order[series] < count:
            raise ValueError(f"series {order[series]} of {count}")
    offsets[0] = 0
    if present is None:
        for series in range(count):
            offsets[series + 1] = offsets[series] + steps
        return offsets[count]
    counts = <int64_t *>calloc(count + 1, sizeof(int64_t))
    if counts == NULL:
        raise MemoryError
    with nogil:
        for step in range(present.shape[0]):
            for series in range(count):
                counts[series] += present[step, series]
        for series in range(count):
            offsets[series + 1] = offsets[series] + counts[order[series]]
        free(counts)
    return offsets[count]


def lay_end_to_end(
    const double[:, :] values,
    const uint8_t[:, :] present,
    int64_t start,
    int64_t step_length,
    const int64_t[::1] order,
    const int64_t[::1] offsets,
    Py_ssize_t low,
    Py_ssize_t high,
    int64_t[::1] times,
    double[::1] into,
):
    """Write the values, and their times, of series `low` up to `high` of the order to where `offsets` say.

    The first step is at `start` (ms), and each one after it `step_length` later.
    """
    cdef Py_ssize_t first = low, stop, series, step, column
    cdef int64_t places[TILE]
    cdef int64_t place, room = into.shape[0]
    check_frame(values, present, order)
    if times.shape[0] != room:
        raise ValueError(f"{room} values at {times.shape[0]} times")
    if not 0 <= low <= high <= order.shape[0] < offsets.shape[0]:
        raise ValueError(f"series {low} to {high} of {order.shape[0]}")
    for series in range(low, high):
        if not (0 <= order[series] < values.shape[1] and 0 <= offsets[series]):
            raise ValueError(f"series {order[series]} of {values.shape[1]} at {offsets[series]}")
    with nogil:
        while first < high:
            stop = min(first + <Py_ssize_t>TILE, high)
            for series in range(first, stop):
                places[series - first] = offsets[series]
            for step in range(values.shape[0]):
                for series in range(first, stop):
                    column, place = order[series], places[series - first]
                    if place < room and (present is None or present[step, column]):
                        into[place] = values[step, column]
                        times[place] = start + step * step_length
                        places[series - first] = place + 1
            first = stop
