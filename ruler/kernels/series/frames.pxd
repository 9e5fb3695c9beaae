"""Frames as kernels see them: values [steps x series], where they are present (None: everywhere), each series' group."""

from libc.stdint cimport int64_t, uint8_t

cdef inline int check_frame(
    const double[:, :] values, const uint8_t[:, :] present, const int64_t[::1] group_of
) except -1:
    """Refuse arrays of shapes that do not fit together."""
    if values.shape[1] != group_of.shape[0]:
        raise ValueError(f"groups of {group_of.shape[0]} series, values of {values.shape[1]}")
    if present is not None and (present.shape[0] != values.shape[0] or present.shape[1] != values.shape[1]):
        raise ValueError(f"a mask of {present.shape[0]} x {present.shape[1]} for {values.shape[0]} x {values.shape[1]}")
    return 0

cdef inline int check_results(const double[:, :] values, Py_ssize_t steps, Py_ssize_t moments) except -1:
    """Refuse a number of results that is not that of steps, and a parameter that has neither one value nor as many."""
    if steps != values.shape[0] or moments not in (1, steps):
        raise ValueError(f"{values.shape[0]} steps, {steps} of results and {moments} of a parameter")
    return 0

cdef inline int check_found(const double[:, ::1] into, const uint8_t[:, ::1] found) except -1:
    """Refuse results whose mask has another shape."""
    if into.shape[0] != found.shape[0] or into.shape[1] != found.shape[1]:
        raise ValueError(f"a mask of {found.shape[0]} x {found.shape[1]} for {into.shape[0]} x {into.shape[1]} results")
    return 0
