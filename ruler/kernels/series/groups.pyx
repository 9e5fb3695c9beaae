"""Aggregations of groups of series: each sample is folded into its group, in the order of series, as Prometheus does.

Arrays are [steps x series] and [steps x groups]; `present` of None means everywhere, and `group_of` a series is less
than the number of groups. None of this holds Python's lock.
"""

from libc.math cimport isinf, isnan, sqrt
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from ruler.kernels.series.frames cimport check_found, check_frame, check_results
from ruler.kernels.windows.sums cimport add

cdef enum:
    BAND = 4  # steps that are taken side by side: while an addition of one waits for the last, others go on


cdef struct Group:
    # What is known of a group at a step, zeros before its first sample.
    double count
    double value   # the sum, the extreme, the sum of squares: what the operator makes
    double mean
    double lost    # what rounding left out of the sum, or of the mean
    bint moving    # whether the mean goes on without the sum, which would overflow


ctypedef void (*Fold)(Group *group, double number) noexcept nogil
ctypedef double (*Result)(const Group *group) noexcept nogil


# --- operators: what a sample does to its group, which counts it already, and what comes of it ------------------------

cdef inline void _sum(Group *group, double number) noexcept nogil:
    add(number, &group.value, &group.lost)


cdef inline double _summed(const Group *group) noexcept nogil:
    return group.value + group.lost


cdef inline void _avg(Group *group, double number) noexcept nogil:
    """The sum; from the sample on with which it would overflow, the mean."""
    cdef double total = group.value, lost = group.lost, share
    if not group.moving:
        add(number, &total, &lost)
        if not isinf(total) or group.count == 1:
            group.value, group.lost = total, lost
            return
        group.moving = True
        group.mean = group.value / (group.count - 1)
        group.lost /= group.count - 1
    share = (group.count - 1) / group.count
    group.mean *= share
    group.lost *= share
    add(number / group.count, &group.mean, &group.lost)


cdef inline double _averaged(const Group *group) noexcept nogil:
    if group.moving:
        return group.mean + group.lost
    return group.value / group.count + group.lost / group.count


cdef inline void _min(Group *group, double number) noexcept nogil:
    if group.count == 1 or group.value > number or isnan(group.value):
        group.value = number


cdef inline void _max(Group *group, double number) noexcept nogil:
    if group.count == 1 or group.value < number or isnan(group.value):
        group.value = number


cdef inline double _value(const Group *group) noexcept nogil:
    return group.value


cdef inline void _spread(Group *group, double number) noexcept nogil:
    """By Welford's method."""
    cdef double apart = number - group.mean
    group.mean += apart / group.count
    group.value += apart * (number - group.mean)


cdef inline double _variance(const Group *group) noexcept nogil:
    return group.value / group.count


cdef inline double _deviation(const Group *group) noexcept nogil:
    return sqrt(_variance(group))


cdef inline void _seen(Group *group, double number) noexcept nogil:
    pass


cdef inline double _counted(const Group *group) noexcept nogil:
    return group.count


cdef inline double _one(const Group *group) noexcept nogil:
    return 1


# --- the way through the samples --------------------------------------------------------------------------------------

def fold(
    str operator,
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] group_of,
    double[:, ::1] into,
    uint8_t[:, ::1] found,
):
    """Write what an operator makes of each group to `into`, and to `found` where a group has samples."""
    check_frame(values, present, group_of)
    check_found(into, found)
    check_results(values, into.shape[0], 1)
    cdef Group *groups = <Group *>malloc(into.shape[1] * BAND * sizeof(Group))
    if groups == NULL:
        raise MemoryError(f"{into.shape[1]} groups")
    try:
        if operator == "sum":
            _fold(_sum, _summed, groups, values, present, group_of, into, found)
        elif operator == "avg":
            _fold(_avg, _averaged, groups, values, present, group_of, into, found)
        elif operator == "min":
            _fold(_min, _value, groups, values, present, group_of, into, found)
        elif operator == "max":
            _fold(_max, _value, groups, values, present, group_of, into, found)
        elif operator == "count":
            _fold(_seen, _counted, groups, values, present, group_of, into, found)
        elif operator == "group":
            _fold(_seen, _one, groups, values, present, group_of, into, found)
        elif operator == "stdvar":
            _fold(_spread, _variance, groups, values, present, group_of, into, found)
        elif operator == "stddev":
            _fold(_spread, _deviation, groups, values, present, group_of, into, found)
        else:
            raise KeyError(operator)
    finally:
        free(groups)


def mark_any(const uint8_t[:] marked not None, const int64_t[::1] group_of not None, uint8_t[::1] into not None):
    """Mark the groups that have any series that is marked."""
    cdef Py_ssize_t series
    if marked.shape[0] != group_of.shape[0]:
        raise ValueError(f"groups of {group_of.shape[0]} series, marks of {marked.shape[0]}")
    for series in range(marked.shape[0]):
        if marked[series]:
            into[group_of[series]] = True


cdef inline int _fold(
    Fold fold,
    Result result,
    Group *groups,
    const double[:, :] values,
    const uint8_t[:, :] present,
    const int64_t[::1] group_of,
    double[:, ::1] into,
    uint8_t[:, ::1] found,
) except -1:
    """A copy of this is compiled for each operator, with what it does to a sample in it."""
    cdef Py_ssize_t top = 0, height, row, series, place
    with nogil:
        while top < values.shape[0]:
            height = min(<Py_ssize_t>BAND, values.shape[0] - top)
            memset(groups, 0, into.shape[1] * BAND * sizeof(Group))
            for series in range(values.shape[1]):
                for row in range(height):
                    if present is None or present[top + row, series]:
                        place = group_of[series] * BAND + row
                        groups[place].count += 1
                        fold(&groups[place], values[top + row, series])
            for row in range(height):
                for place in range(into.shape[1]):
                    into[top + row, place] = result(&groups[place * BAND + row])
                    found[top + row, place] = groups[place * BAND + row].count > 0
            top += height
    return 0
