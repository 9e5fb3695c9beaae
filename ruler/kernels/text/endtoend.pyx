"""Values [steps x series] laid end to end, series after series in an order: as a Matrix has them."""

from libc.stdint cimport int64_t, uint8_t

from ruler.kernels.series.frames cimport check_frame

cdef enum:
    TILE = 8  # series that are gone through together: in most orders their values are in one line of the cache


def count_cells(const uint8_t[:, :] present, const int64_t[::1] order, int64_t[::1] counts, int64_t[::1] offsets):
    """Write to `offsets` where each series of the order begins, and where the last ends; `counts` [series] is zeros."""
    cdef Py_ssize_t step, series
    if not counts.shape[0] == present.shape[1] == order.shape[0] == offsets.shape[0] - 1:
        raise ValueError(f"{offsets.shape[0]} offsets of {order.shape[0]} series, a mask of {present.shape[1]}")
    for series in range(order.shape[0]):
        if not 0 <= order[series] < counts.shape[0]:
            raise ValueError(f"series {order[series]} of {counts.shape[0]}")
    with nogil:
        for step in range(present.shape[0]):
            for series in range(present.shape[1]):
                counts[series] += present[step, series]
        offsets[0] = 0
        for series in range(order.shape[0]):
            offsets[series + 1] = offsets[series] + counts[order[series]]


def lay_end_to_end(
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] moments,
    const int64_t[::1] order,
    const int64_t[::1] offsets,
    Py_ssize_t low,
    Py_ssize_t high,
    int64_t[::1] times,
    double[::1] into,
):
    """Write the values, and the moments, of series `low` up to `high` of the order to where `offsets` say."""
    cdef Py_ssize_t first = low, stop, series, step, column
    cdef int64_t places[TILE]
    cdef int64_t place, room = into.shape[0]
    check_frame(values, present, order)
    if moments.shape[0] != values.shape[0] or times.shape[0] != room:
        raise ValueError(f"{values.shape[0]} steps at {moments.shape[0]} moments, {room} values at {times.shape[0]}")
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
                        times[place] = moments[step]
                        places[series - first] = place + 1
            first = stop
