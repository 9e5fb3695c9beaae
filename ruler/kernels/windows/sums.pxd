"""Compensated addition as Prometheus does it (kahansum.Inc): a sum, and beside it what rounding left out of it."""

from libc.math cimport fabs, isinf

cdef inline void add(double term, double *total, double *error) noexcept nogil:
    cdef double result = total[0] + term
    if isinf(result):
        error[0] = 0
    elif fabs(total[0]) >= fabs(term):
        error[0] += (total[0] - result) + term
    else:
        error[0] += (term - result) + total[0]
    total[0] = result


cdef inline void add_finite(double term, double *total, double *error) noexcept nogil:
    """The same, to the same bit, without a branch; wrong where the total is not finite, which it then stays."""
    cdef double result = total[0] + term
    cdef double back = result - total[0]
    error[0] += (total[0] - (result - back)) + (term - back)
    total[0] = result
