"""Rows of codes (the labels of series) moved from one table to another, each column to its place there."""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    FEW = 1 << 12  # codes that are moved before others could have had Python's lock


def move(
    const int32_t[:, :] codes not None,
    const int64_t[::1] rows,
    const int64_t[::1] places not None,
    int32_t[:, ::1] into not None,
    Py_ssize_t low,
):
    """Write rows of `codes` (None: all) to `into`, from its row `low` on; column i goes to places[i], -1 is nowhere."""
    cdef Py_ssize_t count = codes.shape[0] if rows is None else rows.shape[0], each
    cdef bint done
    if not 0 <= low <= into.shape[0] - count or places.shape[0] != codes.shape[1]:
        raise ValueError(f"{count} rows of {codes.shape[1]} codes, {places.shape[0]} places in {into.shape[0]} rows")
    for each in range(places.shape[0]):
        if not -1 <= places[each] < into.shape[1]:
            raise ValueError(f"no column {places[each]} of {into.shape[1]}")
    if count * places.shape[0] <= FEW:
        done = _move(codes, rows, places, into, low, count)
    else:
        with nogil:
            done = _move(codes, rows, places, into, low, count)
    if not done:
        raise IndexError(f"no such row of {codes.shape[0]}")


cdef bint _move(
    const int32_t[:, :] codes,
    const int64_t[::1] rows,
    const int64_t[::1] places,
    int32_t[:, ::1] into,
    Py_ssize_t low,
    Py_ssize_t count,
) noexcept nogil:
    """Whether all rows are there."""
    cdef Py_ssize_t each, row, place
    for each in range(count):
        row = each if rows is None else rows[each]
        if not 0 <= row < codes.shape[0]:
            return False
        for place in range(places.shape[0]):
            if places[place] >= 0:
                into[low + each, places[place]] = codes[row, place]
    return True
