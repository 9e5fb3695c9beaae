"""Which series of a selection a leaf has samples of, and whether those follow the ones of the leaves before it."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef int32_t OPEN = 0x7FFFFFFF  # the last row of a slot that is still written
cdef int64_t FAR = <int64_t>1 << 62


def find_columns(
    const int64_t[::1] known, const int64_t[::1] columns, const int64_t[::1] series, Py_ssize_t nth, int64_t[::1] into
):
    """Write the nth column of each series to `into`, 0 where it has not so many; how many the one with most has.

    `known` are the series of a leaf in order, `columns` those that they are in.
    """
    cdef Py_ssize_t each, low, high, middle, most = 0
    with nogil:
        for each in range(series.shape[0]):
            low, high = 0, known.shape[0]
            while low < high:
                middle = (low + high) >> 1
                if known[middle] < series[each]:
                    low = middle + 1
                else:
                    high = middle
            high = low
            while high < known.shape[0] and known[high] == series[each]:
                high += 1
            into[each] = columns[low + nth] if low + nth < high else 0
            most = max(most, high - low)
    return most


def alive(
    const int64_t[::1] columns,
    const int32_t[::1] first_row,
    const int32_t[::1] last_row,
    Py_ssize_t low,
    Py_ssize_t high,
    int64_t[::1] into,
):
    """Write those of `columns` to `into` that have samples in the rows [low, high), 0 for others; how many they are."""
    cdef Py_ssize_t each, count = 0
    cdef int64_t column
    cdef bint lives
    with nogil:
        for each in range(columns.shape[0]):
            column = columns[each]
            lives = column > 0 and last_row[column] >= low and first_row[column] < high
            into[each] = column if lives else 0
            count += lives
    return count


def clashing(
    const int64_t[::1] columns,
    const int32_t[::1] slot_of,
    const int32_t[::1] slot_first,
    const int32_t[::1] slot_last,
    int64_t tick,
    int64_t[::1] until,
    uint8_t[::1] clash,
):
    """Mark the series whose stream begins in a leaf, of which row 0 is the given tick, not after the one before it.

    `until` is the last tick of each series so far, and is moved on. Gives how many series of this leaf clash.
    """
    cdef Py_ssize_t each, count = 0
    cdef int32_t slot
    with nogil:
        for each in range(columns.shape[0]):
            if columns[each] <= 0:
                continue
            slot = slot_of[columns[each]]
            if until[each] >= tick + slot_first[slot]:
                clash[each] = True
                count += 1
            until[each] = max(until[each], FAR if slot_last[slot] == OPEN else tick + slot_last[slot])
    return count
