"""Where groups of series have samples, step by step. Arrays are as in groups.pyx; none of this holds Python's lock."""

from libc.stdint cimport int64_t, uint8_t

from ruler.kernels.series.frames cimport check_frame, check_results


def mark_groups(
    const double[:, :] values, const uint8_t[:, :] present, const int64_t[::1] group_of, uint8_t[:, ::1] found
):
    """Set `found` [steps x groups], which holds zeros, where a group has samples.

    Gives the first step at which a group has two, or -1.
    """
    cdef Py_ssize_t step, series, clash = -1
    cdef uint8_t *mark
    cdef bint here, twice
    check_frame(values, present, group_of)
    check_results(values, found.shape[0], 1)
    with nogil:
        for step in range(values.shape[0]):
            twice = False
            for series in range(values.shape[1]):
                here = present is None or present[step, series]
                mark = &found[step, group_of[series]]
                twice |= here & mark[0]
                mark[0] |= here
            if twice and clash < 0:
                clash = step
    return clash
