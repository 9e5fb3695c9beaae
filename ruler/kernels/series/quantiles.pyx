"""Quantiles of groups of series: the samples of each group are laid side by side, and the two next to its place found.

Arrays are as in groups.pyx. None of this holds Python's lock.
"""

from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

from ruler.kernels.series.frames cimport check_found, check_frame, check_results
from ruler.kernels.series.keys cimport key, quantile


def quantiles(
    const double[::1] shares,
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] group_of,
    double[:, ::1] into,
    uint8_t[:, ::1] found,
):
    """Write the quantile of each group to `into`, and to `found` where a group has samples; shares are [steps or 1]."""
    cdef Py_ssize_t steps = into.shape[0], groups = into.shape[1], series = group_of.shape[0]
    cdef Py_ssize_t step, place, group, count
    cdef double share
    cdef uint64_t chance = 1
    check_frame(values, present, group_of)
    check_found(into, found)
    check_results(values, steps, shares.shape[0])
    cdef int64_t *keys = <int64_t *>calloc(series + 2 * (groups + 1), sizeof(int64_t))
    if keys == NULL:
        raise MemoryError(f"{series} series")
    cdef int64_t *starts = keys + series
    cdef int64_t *stops = starts + groups + 1
    with nogil:
        for place in range(series):
            starts[group_of[place] + 1] += 1
        for group in range(groups):
            starts[group + 1] += starts[group]
        for step in range(steps):
            share = shares[step if shares.shape[0] > 1 else 0]
            for group in range(groups):
                stops[group] = starts[group]
            for place in range(series):
                if present is None or present[step, place]:
                    group = group_of[place]
                    keys[stops[group]] = key(values[step, place])
                    stops[group] += 1
            for group in range(groups):
                count = stops[group] - starts[group]
                found[step, group] = count > 0
                if count and 0 <= share <= 1:
                    _put_into_place(keys + starts[group], count, <Py_ssize_t>floor(share * (count - 1)), &chance)
                into[step, group] = quantile(share, keys + starts[group], count)
    free(keys)


cdef void _put_into_place(int64_t *keys, Py_ssize_t count, Py_ssize_t place, uint64_t *chance) noexcept nogil:
    """Have at a place, and at the next, what would be there if all were in order.

    Pivots are drawn by chance, so no order of the keys is one that takes long.
    """
    cdef Py_ssize_t low = 0, high = count - 1, left, right
    cdef int64_t pivot
    while low < high:
        chance[0] *= <uint64_t>0x5851F42D4C957F2D
        pivot = keys[low + <Py_ssize_t>((chance[0] >> 33) % <uint64_t>(high - low + 1))]
        left, right = low, high
        while left <= right:
            while keys[left] < pivot:
                left += 1
            while keys[right] > pivot:
                right -= 1
            if left <= right:
                keys[left], keys[right] = keys[right], keys[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    if place + 1 < count:
        left = place + 1
        for right in range(place + 2, count):
            if keys[right] < keys[left]:
                left = right
        keys[place + 1], keys[left] = keys[left], keys[place + 1]
