"""What a kernel of PromQL is: a C function of one window of one series, which says whether it has a result."""

from libc.stdint cimport int64_t

cdef struct Window:
    # The samples of a whole column, those of the window from `first` up to `stop`.
    const double *value
    const int64_t *time    # ms
    const int64_t *begun   # since when each sample's counter counts (ms, 0: not known); NULL where it never is
    Py_ssize_t first, stop, length

    int64_t now            # when the expression is evaluated (ms)
    int64_t start, end     # the window is (start, end], ms
    int64_t reach          # the length that was asked for; archives move the edges
    int64_t lookback       # how far an extended window looks beyond its edges
    bint smoothed          # whether it looks beyond its end, too
    const double *scalar   # the function's other arguments

    Py_ssize_t step, steps # which window this is, of how many

    # What a kernel may keep from one window of a column to the next, which never begins before it; first all are 0.
    Py_ssize_t low, high, reached
    double *room           # for `length` + 1 numbers
    Py_ssize_t *places     # the same

    # What it may keep for other columns that have samples at the same times: OF_TIMES numbers for each step.
    bint known             # whether they are there
    double *of_times

cdef enum:
    OF_TIMES = 4

ctypedef bint (*Kernel)(Window *w, double *result) noexcept nogil
