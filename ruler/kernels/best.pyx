"""Series that are kept of each group, step by step: the best ones, or the first ones.

Arrays are as in groups.pyx; `wanted` [steps or 1] says how many series of a group to keep, and `kept` [steps x series],
which holds zeros, where they are. None of this holds Python's lock.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from ruler.kernels.frames cimport check_frame, check_results
from ruler.kernels.keys cimport key

cdef struct Contender:
    int64_t key
    Py_ssize_t series


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
    cdef Py_ssize_t series = group_of.shape[0], step, place, group
    cdef int64_t most
    cdef Contender one
    cdef Contender *heap
    check_frame(values, present, group_of)
    check_results(values, kept.shape[0], wanted.shape[0])
    cdef Contender *contenders = <Contender *>malloc(series * sizeof(Contender) + (2 * groups + 1) * sizeof(Py_ssize_t))
    if contenders == NULL:
        raise MemoryError(f"{series} series")
    cdef Py_ssize_t *starts = <Py_ssize_t *>(contenders + series)  # where the group's contenders are
    cdef Py_ssize_t *counts = starts + groups + 1                  # how many there are of them
    with nogil:
        memset(starts, 0, (groups + 1) * sizeof(Py_ssize_t))
        for place in range(series):
            starts[group_of[place] + 1] += 1
        for group in range(groups):
            starts[group + 1] += starts[group]
        for step in range(values.shape[0]):
            most = wanted[step if wanted.shape[0] > 1 else 0]
            if most < 1:
                continue
            memset(counts, 0, groups * sizeof(Py_ssize_t))
            for place in range(series):
                if present is not None and not present[step, place]:
                    continue
                group = group_of[place]
                heap = contenders + starts[group]
                one.key, one.series = key(sign * values[step, place] + 0.0), place  # 0 for -0, which equals it
                if counts[group] < most:
                    heap[counts[group]] = one
                    counts[group] += 1
                    if counts[group] == most:
                        _make_heap(heap, most)
                elif one.key > heap[0].key:
                    heap[0] = one
                    _sink(heap, 0, most)
            for group in range(groups):
                for place in range(starts[group], starts[group] + counts[group]):
                    kept[step, contenders[place].series] = True
    free(contenders)


cdef void _make_heap(Contender *heap, Py_ssize_t count) noexcept nogil:
    """The worst of them comes first."""
    cdef Py_ssize_t place = count // 2
    while place > 0:
        place -= 1
        _sink(heap, place, count)


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
    return one.key < other.key or (one.key == other.key and one.series > other.series)


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
