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
