"""Series that are kept of each group, step by step: the best ones, or the first ones.

Arrays are as in groups.pyx; `wanted` [steps or 1] says how many series of a group to keep, and `kept` [steps x series],
which holds zeros, where they are. None of this holds Python's lock.
"""

from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from ruler.kernels.series.frames cimport check_frame, check_results

cdef struct Contender:
    double value
    Py_ssize_t series


cdef struct Heap:
    # Those of a group that are kept as yet; when they are as many as wanted, the worst comes first.
    Contender *contenders
    int64_t count
    double bar  # no value up to it is kept; NaN, which is no bar, while there is room or the worst is NaN


def keep_best(
    double sign,
    const int64_t[::1] wanted,
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] group_of,
    Py_ssize_t groups,
    uint8_t[:, ::1] kept,
):
    """Keep the greatest, or with a sign of -1 the least: NaN last, and of equal ones the first."""
    cdef Py_ssize_t series = group_of.shape[0], step, place, group, end = 0
    cdef int64_t most
    cdef double value
    check_frame(values, present, group_of)
    check_results(values, kept.shape[0], wanted.shape[0])
    if kept.shape[1] != series:
        raise ValueError(f"to keep {kept.shape[1]} of {series} series")
    cdef Heap *heaps = <Heap *>calloc((groups + 1) * sizeof(Heap) + series * sizeof(Contender), 1)
    if heaps == NULL:
        raise MemoryError(f"{series} series")
    cdef Contender *contenders = <Contender *>(heaps + groups + 1)
    with nogil:
        for place in range(series):
            heaps[group_of[place]].count += 1
        for group in range(groups):
            heaps[group].contenders = contenders + end
            end += heaps[group].count
        for step in range(values.shape[0]):
            most = wanted[step if wanted.shape[0] > 1 else 0]
            if most < 1:
                continue
            for group in range(groups):
                heaps[group].count, heaps[group].bar = 0, NAN
            for place in range(series):
                if present is None or present[step, place]:
                    value = sign * values[step, place]
                    if not value <= heaps[group_of[place]].bar:
                        _offer(&heaps[group_of[place]], most, value, place)
            for group in range(groups):
                for place in range(heaps[group].count):
                    kept[step, heaps[group].contenders[place].series] = True
    free(heaps)


cdef void _offer(Heap *heap, int64_t most, double value, Py_ssize_t series) noexcept nogil:
    cdef Contender one
    cdef int64_t place
    one.value, one.series = value, series
    if heap.count < most:
        heap.contenders[heap.count] = one
        heap.count += 1
        if heap.count < most:
            return
        place = most // 2
        while place > 0:
            place -= 1
            _sink(heap.contenders, place, most)
    elif _worse(heap.contenders[0], one):
        heap.contenders[0] = one
        _sink(heap.contenders, 0, most)
    heap.bar = heap.contenders[0].value


cdef void _sink(Contender *heap, Py_ssize_t place, Py_ssize_t count) noexcept nogil:
    cdef Contender one = heap[place]
    cdef Py_ssize_t below = 2 * place + 1
    while below < count:
        if below + 1 < count and _worse(heap[below + 1], heap[below]):
            below += 1
        if not _worse(heap[below], one):
            break
        heap[place] = heap[below]
        place, below = below, 2 * below + 1
    heap[place] = one


cdef inline bint _worse(Contender one, Contender other) noexcept nogil:
    if one.value < other.value or one.value > other.value:
        return one.value < other.value
    if isnan(one.value) != isnan(other.value):
        return isnan(one.value)
    return one.series > other.series


def keep_first(
    const int64_t[::1] wanted,
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] group_of,
    Py_ssize_t groups,
    uint8_t[:, ::1] kept,
):
    """Keep the first series that have samples."""
    cdef Py_ssize_t series = group_of.shape[0], step, place
    cdef int64_t most
    check_frame(values, present, group_of)
    check_results(values, kept.shape[0], wanted.shape[0])
    if kept.shape[1] != series:
        raise ValueError(f"to keep {kept.shape[1]} of {series} series")
    cdef int64_t *counts = <int64_t *>malloc((groups + 1) * sizeof(int64_t))
    if counts == NULL:
        raise MemoryError(f"{groups} groups")
    with nogil:
        for step in range(values.shape[0]):
            most = wanted[step if wanted.shape[0] > 1 else 0]
            memset(counts, 0, groups * sizeof(int64_t))
            for place in range(series):
                if (present is None or present[step, place]) and counts[group_of[place]] < most:
                    counts[group_of[place]] += 1
                    kept[step, place] = True
    free(counts)
