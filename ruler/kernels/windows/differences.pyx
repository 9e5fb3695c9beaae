"""rate, increase, delta, irate, idelta, changes, resets: what lies between the samples of a window.

Differences over a whole window are extrapolated to its edges as Prometheus does (extrapolatedRate).
"""

from libc.math cimport isnan
from libc.stdint cimport int64_t

from ruler.kernels.windows.window cimport OF_TIMES, Column, Kernel, Window, each_window

cdef double CLOSE = 1.1  # a sample within so many average distances of a window's edge is taken to reach it


cdef struct Stretch:
    # What the extrapolation takes of the times of a window's samples (s).
    double sampled    # how far they reach,
    double to_start   # and how far that is from the window's start
    double to_end     # and end
    double seconds    # for how many the difference is to be
    double factor     # what to multiply differences with


cdef bint rate(Column *c, const Window *w, double *result) noexcept nogil:
    return _extrapolated(c, w, True, 1000, result)


cdef bint increase(Column *c, const Window *w, double *result) noexcept nogil:
    return _extrapolated(c, w, True, c.reach, result)


cdef bint delta(Column *c, const Window *w, double *result) noexcept nogil:
    return _extrapolated(c, w, False, c.reach, result)


cdef inline bint _extrapolated(Column *c, const Window *w, bint counter, double unit, double *result) noexcept nogil:
    """The difference of the last and the first sample, extrapolated to the window, for each `unit` of it."""
    cdef Py_ssize_t first = w.first, last = w.stop - 1
    if last < first:
        return False
    cdef Stretch *of = <Stretch *>c.of_times + w.step
    if not c.known:
        of[0] = _stretch(c.time[first], c.time[last], last - first, w.start, w.end, unit)
    cdef double rise = c.value[last] - c.value[first], factor = of.factor, counted, to_zero
    if counter:
        rise = lost(c, rise, first, w.stop)
        if c.begun != NULL and w.start < c.begun[first] < c.time[first]:  # it is known when it was zero
            counted = (c.time[last] - c.begun[first]) / <double>1000
            result[0] = (rise + c.value[first]) * ((counted + of.to_end) / counted / of.seconds)
            return True
        if rise > 0 and c.value[first] >= 0:  # it was never below zero, so it has not risen for longer than from there
            to_zero = of.sampled * (c.value[first] / rise)
            if to_zero < of.to_start:
                factor = (of.sampled + to_zero + of.to_end) / of.sampled / of.seconds
    result[0] = rise * factor
    return last > first


cdef Stretch _stretch(
    int64_t first, int64_t last, Py_ssize_t gaps, int64_t start, int64_t end, double unit
) noexcept nogil:
    cdef Stretch of
    of.sampled = (last - first) / <double>1000
    of.to_start = (first - start) / <double>1000
    of.to_end = (end - last) / <double>1000
    cdef double average = of.sampled / max(gaps, 1)
    if of.to_start >= average * CLOSE:
        of.to_start = average / 2
    if of.to_end >= average * CLOSE:
        of.to_end = average / 2
    of.seconds = (end - start) / unit
    of.factor = (of.sampled + of.to_start + of.to_end) / of.sampled / of.seconds
    return of


cdef inline double lost(Column *c, double total, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    """The total and, added in order, what a counter had reached each time before it started again.

    Of a column, `places[low:high]` are the samples with which it did so that no later window has left behind.
    """
    if not c.reached:
        c.reached = True
        if c.begun != NULL or _may_fall(c):
            c.high = _restarts(c)
    return total if c.low == c.high else _with_restarts(c, total, first, stop)


cdef double _with_restarts(Column *c, double total, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i
    while c.low < c.high and c.places[c.low] <= first:
        c.low += 1
    for i in range(c.low, c.high):
        if c.places[i] >= stop:
            break
        total += c.value[c.places[i] - 1]
    return total


cdef bint _may_fall(const Column *c) noexcept nogil:
    """Whether any sample of the column may be less than the one before it: few columns have such."""
    cdef Py_ssize_t i
    cdef int64_t signs = 0
    cdef double rise
    for i in range(1, c.length):
        rise = c.value[i] - c.value[i - 1]
        signs |= (<int64_t *>&rise)[0]
    return signs < 0


cdef Py_ssize_t _restarts(Column *c) noexcept nogil:
    """Write the samples to `places` with which the counter started again; how many they are."""
    cdef Py_ssize_t i, count = 0
    for i in range(1, c.length):
        c.places[count] = i
        count += c.value[i] < c.value[i - 1] or (c.begun != NULL and starts_again(c, i - 1, i))
    return count


cdef bint starts_again(const Column *c, Py_ssize_t old, Py_ssize_t new) noexcept nogil:
    """Whether the later of two samples counts from a time at which the earlier had been taken.

    From exactly that time, it does when the earlier counted from a time of its own: then each sample is what was added
    since the one before. A counter whose beginning nobody knows says the time of its first sample, which is no reset.
    """
    if c.begun[new] == 0 or c.begun[new] >= c.time[new]:
        return False
    if c.begun[new] == c.time[old]:
        return c.begun[old] != 0 and c.begun[old] < c.time[old]
    return c.begun[new] > c.time[old]


cdef bint irate(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t last = w.stop - 1
    if last <= w.first:
        return False
    cdef double rise = c.value[last] - c.value[last - 1]
    if c.value[last] < c.value[last - 1] or (c.begun != NULL and starts_again(c, last - 1, last)):
        rise = c.value[last]
    result[0] = rise / ((c.time[last] - c.time[last - 1]) / <double>1000)
    return True


cdef bint idelta(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t last = w.stop - 1
    if last <= w.first:
        return False
    result[0] = c.value[last] - c.value[last - 1]
    return True


cdef bint differs(double old, double new) noexcept nogil:
    """Whether one sample differs from another; from NaN to NaN nothing changes."""
    return old != new and not (isnan(old) and isnan(new))


cdef bint changes(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(w.first + 1, w.stop):
        count += differs(c.value[i - 1], c.value[i])
    result[0] = count
    return w.stop > w.first


cdef bint resets(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(w.first + 1, w.stop):
        count += c.value[i] < c.value[i - 1] or (c.begun != NULL and starts_again(c, i - 1, i))
    result[0] = count
    return w.stop > w.first


cdef bint overlaps(Column *c, const Window *w, double *result) noexcept nogil:
    """Whether the start times of two samples contradict each other: one counts from within what the other counted."""
    cdef Py_ssize_t i
    result[0] = 0
    for i in range(w.first + 1, w.stop):
        if c.begun[i] != 0 and c.begun[i] < c.time[i - 1] and c.begun[i] != c.begun[i - 1]:
            return True
    return False


cdef Py_ssize_t rate_of_each(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil:
    return each_window(rate, c, step, until)


cdef Py_ssize_t increase_of_each(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil:
    return each_window(increase, c, step, until)
