"""Functions that go through the samples of a window once: the `*_over_time` family, lines and curves.

Sums are compensated as Prometheus's are, sample by sample. NaN is a value like others: the least for `min` and `max`.
"""

from libc.math cimport NAN, fabs, isfinite, isinf, isnan, sqrt
from libc.stdint cimport int64_t, uint64_t

from ruler.kernels.windows.sums cimport add, add_finite
from ruler.kernels.windows.window cimport Column, Kernel, Window, arguments, moment

cdef uint64_t STALE = 0x7FF0000000000002
cdef double EXACT = <double>(1 << 53)  # below it sums of whole numbers are exact
cdef double EVEN = <double>(3 << 51)   # added to a smaller number, it leaves nothing behind the point
cdef int WORTH_IT = 4                  # how many times each sample must be added before running sums pay

cdef enum:  # what is known of a column's samples, in `low`
    UNKNOWN
    WHOLE
    BROKEN


# --- one sample -------------------------------------------------------------------------------------------------------

cdef bint count_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    result[0] = w.stop - w.first
    return w.stop > w.first


cdef bint present_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    result[0] = 1
    return w.stop > w.first


cdef bint first_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    if w.stop == w.first:
        return False
    result[0] = c.value[w.first]
    return True


cdef bint last_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    if w.stop == w.first:
        return False
    result[0] = c.value[w.stop - 1]
    return True


cdef bint _lives(const Column *c, const Window *w) noexcept nogil:
    """Whether there is a last sample, and it does not say that the series ended."""
    return w.stop > w.first and (<const uint64_t *>c.value)[w.stop - 1] != STALE


cdef bint latest(Column *c, const Window *w, double *result) noexcept nogil:
    """What an instant selector finds: the last sample of a series that has not ended."""
    if not _lives(c, w):
        return False
    result[0] = c.value[w.stop - 1]
    return True


cdef bint time_of_latest(Column *c, const Window *w, double *result) noexcept nogil:
    if not _lives(c, w):
        return False
    result[0] = c.time[w.stop - 1] / <double>1000
    return True


cdef bint start_of_latest(Column *c, const Window *w, double *result) noexcept nogil:
    if c.begun == NULL or not _lives(c, w):
        return False
    result[0] = c.begun[w.stop - 1] / <double>1000
    return True


cdef bint ts_of_first_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    if w.stop == w.first:
        return False
    result[0] = c.time[w.first] / <double>1000
    return True


cdef bint ts_of_last_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    if w.stop == w.first:
        return False
    result[0] = c.time[w.stop - 1] / <double>1000
    return True


# --- extremes ---------------------------------------------------------------------------------------------------------

cdef bint min_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t place = _extreme(c, w, -1, False)
    if place >= 0:
        result[0] = c.value[place]
    return place >= 0


cdef bint max_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t place = _extreme(c, w, 1, False)
    if place >= 0:
        result[0] = c.value[place]
    return place >= 0


cdef bint ts_of_min_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t place = _extreme(c, w, -1, True)
    if place >= 0:
        result[0] = c.time[place] / <double>1000
    return place >= 0


cdef bint ts_of_max_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Py_ssize_t place = _extreme(c, w, 1, True)
    if place >= 0:
        result[0] = c.time[place] / <double>1000
    return place >= 0


cdef Py_ssize_t _extreme(Column *c, const Window *w, double sign, bint last) noexcept nogil:
    """Which sample of the window is the greatest (of a `sign` of -1 the least): of equal ones the first or the last.

    `places[low:high]` are the samples that may yet be it: each is worse than those before it. -1 for an empty window.
    """
    cdef Py_ssize_t i, low = c.low, high = c.high, reached = c.reached
    cdef double value
    if reached < w.first:
        low, high, reached = 0, 0, w.first
    while low < high and c.places[low] < w.first:
        low += 1
    for i in range(reached, w.stop):
        value = sign * c.value[i]
        if isnan(value):
            continue
        while high > low and (sign * c.value[c.places[high - 1]] < value
                              or (last and sign * c.value[c.places[high - 1]] == value)):
            high -= 1
        c.places[high] = i
        high += 1
    c.low, c.high, c.reached = low, high, w.stop
    if low < high:
        return c.places[low]
    return (w.stop - 1 if last else w.first) if w.stop > w.first else -1  # NaN and nothing else


# --- sums -------------------------------------------------------------------------------------------------------------

cdef bint sum_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef double total = 0, error = 0
    cdef Py_ssize_t i
    if _has_running_sums(c, w):
        total = _sum_of(c, w)
    else:
        for i in range(w.first, w.stop):
            add_finite(c.value[i], &total, &error)
        if not isfinite(total):
            total = error = 0
            for i in range(w.first, w.stop):
                add(c.value[i], &total, &error)
    result[0] = (total if isinf(total) else total + error) / ((w.end - w.start) / <double>c.reach)
    return w.stop > w.first


cdef bint avg_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    """The sum through the count; from the sample on with which the sum would overflow, kept as a mean."""
    if w.stop == w.first:
        return False
    cdef double count = w.stop - w.first
    if _has_running_sums(c, w):
        result[0] = _sum_of(c, w) / count
        return True
    cdef double total = c.value[w.first], error = 0
    cdef Py_ssize_t i
    for i in range(w.first + 1, w.stop):
        add_finite(c.value[i], &total, &error)
    result[0] = total / count + error / count if isfinite(total) else _running_mean(c, w)
    return True


cdef double _running_mean(const Column *c, const Window *w) noexcept nogil:
    cdef double total = c.value[w.first], error = 0, before, before_error, count = 0, mean, share
    cdef Py_ssize_t i, j
    for i in range(w.first + 1, w.stop):
        before, before_error = total, error
        add(c.value[i], &total, &error)
        if isinf(total):
            count = i - w.first
            mean, error = before / count, before_error / count
            for j in range(i, w.stop):
                count += 1
                share = (count - 1) / count
                mean, error = share * mean, share * error
                add(c.value[j] / count, &mean, &error)
            return mean + error
    count = w.stop - w.first
    return total / count + error / count


cdef bint _has_running_sums(Column *c, const Window *w) noexcept nogil:
    """Whether there are sums of the column's first samples: those are whole numbers, so none is rounded."""
    cdef int64_t *sums = <int64_t *>c.room
    cdef Py_ssize_t i
    if c.low == UNKNOWN:
        if c.all.count * (w.stop - w.first) < WORTH_IT * c.length:
            return False
        c.low = WHOLE if _all_whole(c) else BROKEN
        if c.low == WHOLE:
            sums[0] = 0
            for i in range(c.length):
                sums[i + 1] = sums[i] + <int64_t>c.value[i]
    return c.low == WHOLE


cdef inline double _sum_of(const Column *c, const Window *w) noexcept nogil:
    """The difference of two running sums."""
    cdef const int64_t *sums = <const int64_t *>c.room
    return <double>(sums[w.stop] - sums[w.first])


cdef bint _all_whole(const Column *c) noexcept nogil:
    """Whether no sample has anything behind the point, is -0, or is so large that a sum of all might be rounded."""
    cdef double most = EXACT / (c.length + 4), whole, beyond
    cdef uint64_t odd = 0, within = <uint64_t>1 << 63
    cdef Py_ssize_t i
    for i in range(c.length):
        whole = c.value[i] + EVEN - EVEN
        odd |= (<uint64_t *>&whole)[0] ^ (<const uint64_t *>c.value)[i]
        beyond = fabs(c.value[i]) - most
        within &= (<uint64_t *>&beyond)[0]
    return odd == 0 and within != 0


cdef bint stdvar_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    """By Welford's method."""
    cdef double count = 0, mean = 0, mean_error = 0, squares = 0, squares_error = 0, apart
    cdef Py_ssize_t i
    for i in range(w.first, w.stop):
        count += 1
        apart = c.value[i] - (mean + mean_error)
        add(apart / count, &mean, &mean_error)
        add(apart * (c.value[i] - (mean + mean_error)), &squares, &squares_error)
    result[0] = (squares + squares_error) / count
    return w.stop > w.first


cdef bint stddev_over_time(Column *c, const Window *w, double *result) noexcept nogil:
    cdef bint found = stdvar_over_time(c, w, result)
    result[0] = sqrt(result[0])
    return found


# --- lines and curves -------------------------------------------------------------------------------------------------

cdef bint deriv(Column *c, const Window *w, double *result) noexcept nogil:
    cdef double level
    if w.stop - w.first < 2:
        return False
    _line(c, w, c.time[w.first], result, &level)
    return True


cdef bint predict_linear(Column *c, const Window *w, double *result) noexcept nogil:
    """The line's value so many seconds after the moment of evaluation."""
    cdef double slope, level
    if w.stop - w.first < 2:
        return False
    _line(c, w, moment(c, w), &slope, &level)
    result[0] = slope * arguments(c, w)[0] + level
    return True


cdef void _line(const Column *c, const Window *w, int64_t origin, double *slope, double *level) noexcept nogil:
    """The slope (per s) of the line nearest to the samples, and its value at `origin` (ms)."""
    cdef double count = w.stop - w.first, x, y, opening = c.value[w.first]
    cdef double sum_x = 0, sum_y = 0, sum_xy = 0, sum_xx = 0, lost_x = 0, lost_y = 0, lost_xy = 0, lost_xx = 0
    cdef bint flat = True
    cdef Py_ssize_t i
    for i in range(w.first, w.stop):
        y = c.value[i]
        flat = flat and (i == w.first or y == opening)
        x = (c.time[i] - origin) / <double>1000
        add(x, &sum_x, &lost_x)
        add(y, &sum_y, &lost_y)
        add(x * y, &sum_xy, &lost_xy)
        add(x * x, &sum_xx, &lost_xx)
    if flat:
        slope[0] = NAN if isinf(opening) else 0
        level[0] = NAN if isinf(opening) else opening
        return
    sum_x, sum_y, sum_xy, sum_xx = sum_x + lost_x, sum_y + lost_y, sum_xy + lost_xy, sum_xx + lost_xx
    slope[0] = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    level[0] = sum_y / count - slope[0] * sum_x / count


cdef bint double_exponential_smoothing(Column *c, const Window *w, double *result) noexcept nogil:
    """Holt's method, with a smoothing and a trend factor."""
    if w.stop - w.first < 2:
        return False
    cdef double smoothing = arguments(c, w)[0], trend = arguments(c, w)[1]
    cdef double smoothed = c.value[w.first], older = 0, slope = 0, value
    cdef Py_ssize_t i
    for i in range(w.first + 1, w.stop):
        value = c.value[i]
        slope = value - smoothed if i == w.first + 1 else trend * (smoothed - older) + (1 - trend) * slope
        older = smoothed
        smoothed = smoothing * value + (1 - smoothing) * (smoothed + slope)
    result[0] = smoothed
    return True
