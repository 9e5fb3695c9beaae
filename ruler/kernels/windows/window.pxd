"""What a kernel of PromQL is: a C function of one window of one series, which says whether it has a result."""

from libc.stdint cimport int64_t, uint8_t

cdef struct Steps:
    # All windows of a column, one for each step; `now` is when the expression is evaluated (ms).
    Py_ssize_t count
    const int64_t *starts
    const int64_t *ends
    const Py_ssize_t *first
    const Py_ssize_t *stop
    const int64_t *now
    Py_ssize_t of_now     # how far it is from one to the next: 0 where all have the same
    const double *scalars # the function's other arguments
    Py_ssize_t of_scalars # likewise
    double *results
    uint8_t *here
    Py_ssize_t apart      # likewise, in results and in what says where they are

cdef struct Column:
    # The samples of a series, and what a kernel may keep.
    const double *value
    const int64_t *time    # ms
    const int64_t *begun   # since when each sample's counter counts (ms, 0: not known); NULL where it never is
    Py_ssize_t length
    const Steps *all       # its windows
    int64_t reach          # the length of them that was asked for; archives move the edges
    int64_t lookback       # how far an extended window looks beyond its edges
    bint smoothed          # whether it looks beyond its end, too

    # From one window to the next, which never begins before it; first all are 0.
    Py_ssize_t low, high, reached
    double *room           # for `length` + 1 numbers
    double *spare          # the same
    Py_ssize_t *places     # the same

    # For other columns that have samples at the same times: OF_TIMES numbers for each step.
    bint known             # whether they are there
    double *of_times

cdef enum:
    OF_TIMES = 5

cdef struct Window:
    # (start, end] ms, with the samples from `first` up to `stop`.
    Py_ssize_t step        # which it is
    int64_t start, end
    Py_ssize_t first, stop

ctypedef bint (*Kernel)(Column *c, const Window *w, double *result) noexcept nogil
ctypedef Py_ssize_t (*Through)(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil

cdef inline const double *arguments(const Column *c, const Window *w) noexcept nogil:
    """The function's other arguments."""
    return c.all.scalars + w.step * c.all.of_scalars

cdef inline int64_t moment(const Column *c, const Window *w) noexcept nogil:
    """When the expression is evaluated (ms)."""
    return c.all.now[w.step * c.all.of_now]

cdef inline Py_ssize_t each_window(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil:
    """Call a kernel for window after window; how many results there are. If it is named here, that is no call."""
    cdef const int64_t *starts = c.all.starts
    cdef const int64_t *ends = c.all.ends
    cdef const Py_ssize_t *first = c.all.first
    cdef const Py_ssize_t *stop = c.all.stop
    cdef Py_ssize_t apart = c.all.apart, found = 0
    cdef double *result = c.all.results + step * apart
    cdef uint8_t *here = c.all.here + step * apart
    cdef Window w
    for step in range(step, until):
        w.step, w.start, w.end, w.first, w.stop = step, starts[step], ends[step], first[step], stop[step]
        here[0] = kernel(c, &w, result)
        found += here[0]
        result += apart
        here += apart
    return found
