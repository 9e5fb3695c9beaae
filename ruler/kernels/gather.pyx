"""Cells as they are stored, taken from pages and chunks into a block: column by column, as its readers go through it.

Stored cells are XOR the absent pattern, so that a hole of a sparse file reads as absent.
"""

from libc.stdint cimport int64_t, uint64_t

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef Py_ssize_t TILE = 64  # columns that are taken together where it is rows that lie side by side: 8 lines of the cache


def gather(
    const uint64_t[:, :] cells,
    const int64_t[::1] columns,
    uint64_t[:, :] into,
    const int64_t[::1] places,
    bint beside=False,
):
    """Write the values of some `columns` of stored cells [rows x columns] to the columns `places` of `into`.

    Both have the same rows. With `beside`, only cells that hold something are written, beside what is there.
    """
    cdef Py_ssize_t rows = cells.shape[0], count = columns.shape[0], left = 0, right, row, each
    cdef Py_ssize_t width = 1 if cells.strides[0] < cells.strides[1] else TILE
    cdef uint64_t cell
    with nogil:
        while left < count:
            right = min(left + width, count)
            for row in range(rows):
                for each in range(left, right):
                    cell = cells[row, columns[each]]
                    if cell or not beside:
                        into[row, places[each]] = cell ^ ABSENT
            left = right
