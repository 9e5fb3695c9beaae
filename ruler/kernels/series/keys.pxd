"""Floats as integers that compare as samples do: NaN is the least. Of -0 and 0, which are equal, -0 comes first."""

from libc.math cimport INFINITY, NAN, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

cdef inline int64_t key(double number) noexcept nogil:
    cdef int64_t bits = (<int64_t *>&number)[0]
    return INT64_MIN if isnan(number) else bits ^ ((bits >> 63) & INT64_MAX)

cdef inline double number(int64_t key) noexcept nogil:
    cdef int64_t bits = key ^ ((key >> 63) & INT64_MAX)
    return NAN if key == INT64_MIN else (<double *>&bits)[0]

cdef inline double quantile(double share, const int64_t *ordered, Py_ssize_t count) noexcept nogil:
    """Of keys in order: what is between the two on either side of the share's place, in proportion."""
    if isnan(share):
        return NAN
    if share < 0:
        return -INFINITY
    if share > 1:
        return INFINITY
    cdef double rank = share * (count - 1)
    cdef Py_ssize_t low = <Py_ssize_t>rank
    cdef Py_ssize_t high = low + 1 if low + 1 < count else count - 1
    cdef double weight = rank - low
    return number(ordered[low]) * (1 - weight) + number(ordered[high]) * weight
