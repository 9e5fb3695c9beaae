"""rate, increase, delta, irate, idelta, changes, resets: what lies between the samples of a window.

Differences over a whole window are extrapolated to its edges as Prometheus does (extrapolatedRate).
"""

from libc.math cimport isnan
from libc.stdint cimport int64_t

from ruler.kernels.windows.window cimport OF_TIMES, Window

cdef double CLOSE = 1.1  # a sample within so many average distances of a window's edge is taken to reach it


cdef bint rate(Window *w, double *result) noexcept nogil:
    return _extrapolated(w, True, (w.end - w.start) / <double>1000, result)


cdef bint increase(Window *w, double *result) noexcept nogil:
    return _extrapolated(w, True, (w.end - w.start) / <double>w.reach, result)


cdef bint delta(Window *w, double *result) noexcept nogil:
    return _extrapolated(w, False, (w.end - w.start) / <double>w.reach, result)


cdef bint _extrapolated(Window *w, bint counter, double seconds, double *result) noexcept nogil:
    """The difference of the last and the first sample, extrapolated to the window, for each of so many seconds."""
    cdef Py_ssize_t first = w.first, last = w.stop - 1
    if last < first:
        return False
    cdef double sampled, to_start, to_end, factor, counted, to_zero
    cdef double *of_times = w.of_times + OF_TIMES * w.step
    if not w.known:
        _extrapolate(w, of_times, seconds)
    sampled, to_start, to_end, factor = of_times[0], of_times[1], of_times[2], of_times[3]

    cdef double rise = w.value[last] - w.value[first]
    if counter:
        rise = lost(w, rise, first, w.stop)
        if w.begun != NULL and w.start < w.begun[first] < w.time[first]:  # it is known when it was zero
            counted = (w.time[last] - w.begun[first]) / <double>1000
            result[0] = (rise + w.value[first]) * ((counted + to_end) / counted / seconds)
            return True
        if rise > 0 and w.value[first] >= 0:  # it was never below zero, so it has not risen for longer than from there
            to_zero = sampled * (w.value[first] / rise)
            if to_zero < to_start:
                factor = (sampled + to_zero + to_end) / sampled / seconds
    result[0] = rise * factor
    return last > first


cdef void _extrapolate(const Window *w, double *of_times, double seconds) noexcept nogil:
    """How far samples reach, how far that is from the window's start and end (s), and what to multiply rises with."""
    cdef Py_ssize_t first = w.first, last = w.stop - 1
    cdef double sampled = (w.time[last] - w.time[first]) / <double>1000
    cdef double average = sampled / (last - first if last > first else 1)
    cdef double to_start = (w.time[first] - w.start) / <double>1000
    cdef double to_end = (w.end - w.time[last]) / <double>1000
    if to_start >= average * CLOSE:
        to_start = average / 2
    if to_end >= average * CLOSE:
        to_end = average / 2
    of_times[0], of_times[1], of_times[2] = sampled, to_start, to_end
    of_times[3] = (sampled + to_start + to_end) / sampled / seconds


cdef double lost(Window *w, double total, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    """The total and, added in order, what a counter had reached each time before it started again.

    Of a column, `places[low:high]` are the samples with which it did so that no later window has left behind.
    """
    cdef Py_ssize_t i
    if not w.reached:
        w.reached = True
        if w.begun != NULL or _falls(w):
            w.high = _restarts(w)
    while w.low < w.high and w.places[w.low] <= first:
        w.low += 1
    for i in range(w.low, w.high):
        if w.places[i] >= stop:
            break
        total += w.value[w.places[i] - 1]
    return total


cdef bint _falls(const Window *w) noexcept nogil:
    """Whether any sample of the column is less than the one before it: few columns have such."""
    cdef Py_ssize_t i, falls = 0
    for i in range(1, w.length):
        falls += w.value[i] < w.value[i - 1]
    return falls > 0


cdef Py_ssize_t _restarts(Window *w) noexcept nogil:
    """Write the samples to `places` with which the counter started again; how many they are."""
    cdef Py_ssize_t i, count = 0
    for i in range(1, w.length):
        w.places[count] = i
        count += w.value[i] < w.value[i - 1] or (w.begun != NULL and starts_again(w, i - 1, i))
    return count


cdef bint starts_again(const Window *w, Py_ssize_t old, Py_ssize_t new) noexcept nogil:
    """Whether the later of two samples counts from a time at which the earlier had been taken.

    From exactly that time, it does when the earlier counted from a time of its own: then each sample is what was added
    since the one before. A counter whose beginning nobody knows says the time of its first sample, which is no reset.
    """
    if w.begun[new] == 0 or w.begun[new] >= w.time[new]:
        return False
    if w.begun[new] == w.time[old]:
        return w.begun[old] != 0 and w.begun[old] < w.time[old]
    return w.begun[new] > w.time[old]


cdef bint irate(Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t last = w.stop - 1
    if last <= w.first:
        return False
    cdef double rise = w.value[last] - w.value[last - 1]
    if w.value[last] < w.value[last - 1] or (w.begun != NULL and starts_again(w, last - 1, last)):
        rise = w.value[last]
    result[0] = rise / ((w.time[last] - w.time[last - 1]) / <double>1000)
    return True


cdef bint idelta(Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t last = w.stop - 1
    if last <= w.first:
        return False
    result[0] = w.value[last] - w.value[last - 1]
    return True


cdef bint differs(double old, double new) noexcept nogil:
    """Whether one sample differs from another; from NaN to NaN nothing changes."""
    return old != new and not (isnan(old) and isnan(new))


cdef bint changes(Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(w.first + 1, w.stop):
        count += differs(w.value[i - 1], w.value[i])
    result[0] = count
    return w.stop > w.first


cdef bint resets(Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(w.first + 1, w.stop):
        count += w.value[i] < w.value[i - 1] or (w.begun != NULL and starts_again(w, i - 1, i))
    result[0] = count
    return w.stop > w.first


cdef bint overlaps(Window *w, double *result) noexcept nogil:
    """Whether the start times of two samples contradict each other: one counts from within what the other counted."""
    cdef Py_ssize_t i
    result[0] = 0
    for i in range(w.first + 1, w.stop):
        if w.begun[i] != 0 and w.begun[i] < w.time[i - 1] and w.begun[i] != w.begun[i - 1]:
            return True
    return False
