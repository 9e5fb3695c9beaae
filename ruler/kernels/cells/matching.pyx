"""Which rows of a table of codes have, or lack, certain codes in certain columns: all that is asked in one pass."""

from libc.stdint cimport int32_t, int64_t


def rows_that_have(
    const int32_t[:, ::1] codes not None,
    const int32_t[:, ::1] asked not None,
    int64_t since,
    int64_t[::1] into not None,
):
    """Write the rows from `since` on that have all that is `asked` into `into`, which has room; how many they are.

    Each line of `asked` is a column, a code, and whether the row is to have it (1) or to lack it (0).
    """
    cdef Py_ssize_t row, each, found = 0, width = codes.shape[1], count = asked.shape[0]
    if into.shape[0] < codes.shape[0] - since or asked.shape[1] != 3 or not count or since < 0:
        raise ValueError("nothing is asked, or no room is there")
    for each in range(count):
        if not 0 <= asked[each, 0] < width:
            raise ValueError("no such column")
    if codes.shape[0] <= since:
        return 0
    cdef const int32_t *of_row = &codes[since, 0]
    cdef const int32_t *wanted = &asked[0, 0]
    with nogil:
        for row in range(since, codes.shape[0]):
            if _has(of_row, wanted) and _has_others(of_row, wanted, count):
                into[found] = row
                found += 1
            of_row += width
    return found


cdef inline bint _has(const int32_t *of_row, const int32_t *wanted) noexcept nogil:
    return (of_row[wanted[0]] == wanted[1]) == wanted[2]


cdef inline bint _has_others(const int32_t *of_row, const int32_t *wanted, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t each
    for each in range(1, count):
        if not _has(of_row, wanted + 3 * each):
            return False
    return True
