"""Rows put in order by one column of codes after another, by counting: what comes first among equals stays first."""

from libc.stdint cimport int32_t, int64_t, uint8_t


def varying(const int32_t[:, :] codes not None):
    """The columns that have more than one code."""
    cdef Py_ssize_t place, row
    found = []
    for place in range(codes.shape[1] if codes.shape[0] else 0):
        with nogil:
            row = 1
            while row < codes.shape[0] and codes[row, place] == codes[0, place]:
                row += 1
        if row < codes.shape[0]:
            found.append(place)
    return found


def count_ranks(
    const int64_t[::1] number_of not None,
    const int64_t[::1] ranks not None,
    int64_t absent,
    uint8_t[::1] follows not None,
    int64_t[::1] rank_of not None,
    int64_t[::1] starts not None,
    Py_ssize_t low,
    Py_ssize_t high,
):
    """Write the rank of each row's number to `rank_of`, and count those below each rank in `starts`.

    A row without this label (its number is `absent`) is less than all if none follows in it, else greater than all:
    of labels that are alike so far, those that end come first. `follows` is kept up for the column before.
    """
    cdef Py_ssize_t row
    cdef int64_t rank
    cdef bint fits = True
    if not 0 <= low <= high <= min(number_of.shape[0], follows.shape[0], rank_of.shape[0]):
        raise ValueError(f"rows from {low} to {high} of {number_of.shape[0]}")
    with nogil:
        for row in range(low, high):
            if number_of[row] == absent:
                rank = ranks.shape[0] if follows[row] else 0
            elif 0 <= number_of[row] < ranks.shape[0]:
                rank, follows[row] = ranks[number_of[row]], True
            else:
                rank = -1
            if not 0 <= rank < starts.shape[0] - 1:
                fits = False
                break
            rank_of[row] = rank
            starts[rank + 1] += 1
    if not fits:
        raise ValueError(f"no room for the rank of row {row}")


def rising(const int64_t[::1] rows not None):
    """Whether each is greater than the one before it."""
    cdef Py_ssize_t place
    for place in range(1, rows.shape[0]):
        if rows[place] <= rows[place - 1]:
            return False
    return True


def put_in_order(
    const int64_t[::1] rank_of not None,
    int64_t[::1] starts not None,
    const int64_t[::1] order not None,
    int64_t[::1] into not None,
    Py_ssize_t low,
    Py_ssize_t high,
):
    """Put the rows that stand from `low` to `high` in `order` where their ranks start in `into`, moving those on."""
    cdef Py_ssize_t place
    cdef int64_t row, rank = 0
    if not 0 <= low <= high <= min(order.shape[0], into.shape[0]):
        raise ValueError(f"places from {low} to {high} of {order.shape[0]}")
    with nogil:
        for place in range(low, high):
            row = order[place]
            rank = rank_of[row] if 0 <= row < rank_of.shape[0] else -1
            if not 0 <= rank < starts.shape[0] or not 0 <= starts[rank] < into.shape[0]:
                rank = -1
                break
            into[starts[rank]] = row
            starts[rank] += 1
    if rank < 0:
        raise ValueError("ranks that were not counted")
