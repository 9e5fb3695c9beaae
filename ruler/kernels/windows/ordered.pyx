"""Functions of the samples of a window in the order of their values: quantiles, and the median distance from a median.

Samples are ordered as integers: the bits of floats, of which NaN is the least. What a window has in common with the one
before it stays in order.
"""

from libc.math cimport NAN, fabs
from libc.stdint cimport INT64_MIN, int64_t
from libc.stdlib cimport qsort
from libc.string cimport memmove

from ruler.kernels.series.keys cimport key, number, quantile
from ruler.kernels.windows.window cimport Column, Window, arguments

cdef enum:
    FEW = 64  # new samples: so many are put into their places one by one


cdef bint quantile_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    if w.stop == w.first:
        return False
    result[0] = quantile(arguments(c, w)[0], _in_order(c, w), w.stop - w.first)
    return True


cdef bint mad_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    """The median distance from the median; NaN where any sample is."""
    if w.stop == w.first:
        return False
    cdef int64_t *ordered = _in_order(c, w)
    cdef int64_t *distances = <int64_t *>c.spare
    cdef Py_ssize_t i, count = w.stop - w.first
    cdef double median = quantile(0.5, ordered, count)
    if ordered[0] == INT64_MIN:
        result[0] = NAN
        return True
    for i in range(count):
        distances[i] = key(fabs(number(ordered[i]) - median))
    qsort(distances, count, sizeof(int64_t), _compared)
    result[0] = quantile(0.5, distances, count)
    return True


cdef int _compared(const void *left, const void *right) noexcept nogil:
    cdef int64_t mine = (<const int64_t *>left)[0], other = (<const int64_t *>right)[0]
    return (mine > other) - (mine < other)


cdef int64_t *_in_order(Column *c, const Window *w) noexcept nogil:
    """The window's samples in order: those of the one before, `low` up to `high`, without the old and with the new.

    While there never were many new ones at once, `places` says which sample each is, and `reached` is 0.
    """
    cdef int64_t *ordered = <int64_t *>c.room
    cdef Py_ssize_t i, count
    if c.high <= w.first:
        c.low, c.high, c.reached = w.first, w.first, 0
    count = c.high - c.low
    if w.stop - c.high > FEW:
        c.reached = 1
        count = w.stop - w.first
        for i in range(count):
            ordered[i] = key(c.value[w.first + i])
        qsort(ordered, count, sizeof(int64_t), _compared)
    elif c.reached:
        for i in range(c.low, w.first):
            _remove(ordered, count, key(c.value[i]))
            count -= 1
        for i in range(c.high, w.stop):
            _insert(ordered, count, key(c.value[i]))
            count += 1
    else:
        if c.low < w.first:
            count = _without_old(ordered, c.places, count, w.first)
        for i in range(c.high, w.stop):
            _move_up(ordered, c.places, count, key(c.value[i]), i)
            count += 1
    c.low, c.high = w.first, w.stop
    return ordered


cdef Py_ssize_t _without_old(int64_t *ordered, Py_ssize_t *sample, Py_ssize_t count, Py_ssize_t first) noexcept nogil:
    cdef Py_ssize_t i, of, kept = 0
    for i in range(count):
        of = sample[i]
        ordered[kept], sample[kept] = ordered[i], of
        kept += of >= first
    return kept


cdef void _move_up(int64_t *ordered, Py_ssize_t *sample, Py_ssize_t place, int64_t key, Py_ssize_t of) noexcept nogil:
    while place and ordered[place - 1] > key:
        ordered[place], sample[place] = ordered[place - 1], sample[place - 1]
        place -= 1
    ordered[place], sample[place] = key, of


cdef Py_ssize_t _place(const int64_t *ordered, Py_ssize_t count, int64_t key) noexcept nogil:
    """How many are less than the key."""
    cdef Py_ssize_t low = 0, middle
    while low < count:
        middle = (low + count) >> 1
        if ordered[middle] < key:
            low = middle + 1
        else:
            count = middle
    return low


cdef void _insert(int64_t *ordered, Py_ssize_t count, int64_t key) noexcept nogil:
    cdef Py_ssize_t place = _place(ordered, count, key)
    memmove(ordered + place + 1, ordered + place, (count - place) * sizeof(int64_t))
    ordered[place] = key


cdef void _remove(int64_t *ordered, Py_ssize_t count, int64_t key) noexcept nogil:
    cdef Py_ssize_t place = _place(ordered, count, key)
    memmove(ordered + place, ordered + place + 1, (count - place - 1) * sizeof(int64_t))
