"""Times and cells as they are stored, taken from pages and chunks into a block: column by column, as readers go.

Stored times are XOR the sign bit and stored cells XOR the absent pattern, so that a hole of a sparse file reads as
absent. Readers take times before cells: a row that is seen with its time is seen whole.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint64_t

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef uint64_t SIGN = <uint64_t>1 << 63
cdef int64_t NEVER = INT64_MIN
cdef Py_ssize_t TILE = 8  # columns taken together where it is rows that lie side by side: a line of the cache


def gather_times(
    const uint64_t[:, :] stored, const int64_t[::1] slots, int64_t[:, :] into, int64_t start, int64_t end
):
    """Write the times in (start, end] of some `slots` of stored times [rows x slots] to the columns of `into`.

    Gives the rows [first, stop) outside of which there were none.
    """
    cdef Py_ssize_t rows = stored.shape[0], count = slots.shape[0], left = 0, right, row, each, first = rows, stop = 0
    cdef int64_t time
    with nogil:
        while left < count:
            right = min(left + TILE, count)
            for row in range(rows):
                for each in range(left, right):
                    time = <int64_t>(stored[row, slots[each]] ^ SIGN)
                    if start < time <= end and time != NEVER:
                        into[row, each] = time
                        first, stop = min(first, row), max(stop, row + 1)
            left = right
    return first, stop


def gather_cells(
    const uint64_t[:, :] cells,
    const int64_t[::1] columns,
    uint64_t[:, :] into,
    bint beside=False,
):
    """Write the values of some `columns` of stored cells [rows x columns] to `into`.

    Both have the same rows. With `beside`, only cells that hold something are written, beside what is there.
    """
    cdef Py_ssize_t rows = cells.shape[0], count = columns.shape[0], left = 0, right, row, each
    cdef Py_ssize_t apart = sizeof(uint64_t)
    cdef uint64_t cell
    if rows == 0:
        return
    with nogil:
        if cells.strides[0] == into.strides[0] == apart:
            for each in range(count):
                _copy(&cells[0, columns[each]], &into[0, each], rows, beside)
            left = count
        while left < count:
            right = min(left + TILE, count)
            for row in range(rows):
                for each in range(left, right):
                    cell = cells[row, columns[each]]
                    if cell or not beside:
                        into[row, each] = cell ^ ABSENT
            left = right


cdef void _copy(const uint64_t *cells, uint64_t *into, Py_ssize_t rows, bint beside) noexcept nogil:
    """A column to a column, both of which lie in memory as such."""
    cdef Py_ssize_t row
    if beside:
        for row in range(rows):
            if cells[row]:
                into[row] = cells[row] ^ ABSENT
    else:
        for row in range(rows):
            into[row] = cells[row] ^ ABSENT


def gather_last(
    const uint64_t[:, :] cells,
    const int64_t[::1] columns,
    const uint64_t[:, :] stored,
    const int32_t[::1] slots,
    uint64_t[::1] values,
    int64_t[::1] times,
    const int64_t[::1] places,
    int64_t start,
    int64_t end,
):
    """Find the last cell of each column with a time in (start, end], where `values` has none yet at its place.

    Cells [rows x columns] and stored times [rows x slots] have the same rows; `slots` are those of the columns.
    """
    cdef Py_ssize_t each, row
    cdef int64_t time
    with nogil:
        for each in range(columns.shape[0]):
            if values[places[each]] != ABSENT:
                continue
            for row in range(cells.shape[0] - 1, -1, -1):
                time = <int64_t>(stored[row, slots[each]] ^ SIGN)
                if cells[row, columns[each]] and start < time <= end and time != NEVER:
                    values[places[each]], times[places[each]] = cells[row, columns[each]] ^ ABSENT, time
                    break
