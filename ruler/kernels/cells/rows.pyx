"""A stream's row as it is stored: cells XOR the absent pattern, and since which row each has been what it is."""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc

cdef uint64_t ABSENT = 0x7FF4746F6373696E


def put_row(
    const uint64_t[::1] bits not None,
    const int64_t[::1] places,
    uint64_t[::1] cells not None,
    const int64_t[::1] columns not None,
    int32_t[::1] since not None,
    int32_t row,
):
    """Put values, bits of floats, at their places among a stream's cells, or else side by side.

    `columns` are those of the cells, and `since[column]` is set to `row` where a cell is not what it was.
    """
    cdef Py_ssize_t each, place = 0, count = bits.shape[0], width = cells.shape[0]
    cdef uint64_t cell
    cdef int64_t column
    if columns.shape[0] != width or (count > width if places is None else count != places.shape[0]):
        raise ValueError(f"{count} values for {width} cells of {columns.shape[0]} columns")
    for each in range(count):
        place = each if places is None else places[each]
        column = columns[place] if 0 <= place < width else -1
        if not 0 <= column < since.shape[0]:
            raise IndexError(f"cell {place} of {width} in column {column} of {since.shape[0]}")
        cell = bits[each] ^ ABSENT
        since[column] = row if cell != cells[place] else since[column]
        cells[place] = cell


def find_since(
    const uint64_t[:, :] cells not None,
    const uint64_t[:, :] times not None,
    const int32_t[::1] slot_of not None,
    int32_t[::1] since not None,
):
    """Set `since[column]` to the row from which all that have a time have the same cell, for columns with any.

    Columns are as many as `slot_of` has.
    """
    cdef Py_ssize_t row, column, count = slot_of.shape[0]
    cdef uint64_t *last
    if count > min(cells.shape[1], since.shape[0]) or cells.shape[0] > times.shape[0]:
        raise ValueError(f"{count} columns, {cells.shape[0]} rows: {since.shape[0]} columns, {times.shape[0]} rows")
    for column in range(count):
        if not 0 <= slot_of[column] < times.shape[1]:
            raise IndexError(f"column {column} in slot {slot_of[column]} of {times.shape[1]}")
    last = <uint64_t *>malloc((count + 1) * sizeof(uint64_t))
    if last == NULL:
        raise MemoryError(f"{count} columns")
    with nogil:
        for column in range(count):
            last[column] = 0  # as stored: no sample
        for row in range(cells.shape[0]):
            for column in range(count):
                if times[row, slot_of[column]] and cells[row, column] != last[column]:
                    last[column], since[column] = cells[row, column], row
    free(last)
