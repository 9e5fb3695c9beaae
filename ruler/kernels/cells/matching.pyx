"""Which rows of a table of codes have, or lack, certain codes in certain columns: all that is asked in one pass.

Rows lie in zones, of each of which the least and the greatest code of every column is known. Series of one target are
neighbours, and so are their codes: one among very many is found without reading them all.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

ZONE = 64  # rows

cdef enum:
    ROWS = 64
    FEW = 4096  # rows that are looked through before others could have had Python's lock


cdef struct Term:
    # A column, and the codes, in order, of which its rows are to have one, or none.
    Py_ssize_t place
    bint have
    Py_ssize_t count
    const int32_t *codes


def zones_of(const int32_t[:, ::1] codes not None, Py_ssize_t low, int32_t[:, :, ::1] into not None):
    """Write the least and the greatest code of each zone from `low` on to `into` [columns x zones x 2]."""
    cdef Py_ssize_t zone, row, place
    cdef int32_t least, most
    if into.shape[0] != codes.shape[1] or into.shape[1] * ROWS > codes.shape[0] or into.shape[2] != 2 or low < 0:
        raise ValueError(f"{into.shape[0]} x {into.shape[1]} zones of {codes.shape[0]} rows")
    with nogil:
        for zone in range(low, into.shape[1]):
            for place in range(codes.shape[1]):
                least = most = codes[zone * ROWS, place]
                for row in range(zone * ROWS + 1, (zone + 1) * ROWS):
                    least, most = min(least, codes[row, place]), max(most, codes[row, place])
                into[place, zone, 0], into[place, zone, 1] = least, most


def rows_that_have(
    const int32_t[:, ::1] codes not None,
    const int32_t[:, :, ::1] zones,
    terms,
    Py_ssize_t low,
    Py_ssize_t high,
    int64_t[::1] into not None,
):
    """Write the rows in [low, high) that meet all `terms` into `into`, which has room; how many they are.

    A term is a column, whether the row is to have one of its codes there, and those in ascending order. There may be
    zones of fewer rows, of more, or None.
    """
    cdef Py_ssize_t found, count = len(terms), each, place = 0
    if not 0 <= low <= high <= codes.shape[0] or into.shape[0] < high - low:
        raise ValueError(f"room for {into.shape[0]} of the rows from {low} to {high} of {codes.shape[0]}")
    if zones is not None and (zones.shape[0] != codes.shape[1] or zones.shape[2] != 2):
        raise ValueError(f"zones of {zones.shape[0]} columns for {codes.shape[1]}")
    cdef Py_ssize_t total = 0
    for _, _, among in terms:
        total += len(among)
    cdef Term *asked = <Term *>malloc((count + 1) * sizeof(Term))
    cdef int32_t *room = <int32_t *>malloc((total + 1) * sizeof(int32_t))
    try:
        if asked == NULL or room == NULL:
            raise MemoryError(f"{count} terms of {total} codes")
        for each, (column, have, among) in enumerate(terms):
            if not 0 <= column < codes.shape[1]:
                raise ValueError(f"no column {column} of {codes.shape[1]}")
            asked[each] = Term(column, have, len(among), room + place)
            for code in among:
                room[place] = code
                place += 1
        if high - low <= FEW:
            found = _meeting(codes, zones, asked, count, low, high, into)
        else:
            with nogil:
                found = _meeting(codes, zones, asked, count, low, high, into)
        return found
    finally:
        free(asked)
        free(room)


cdef Py_ssize_t _meeting(
    const int32_t[:, ::1] codes,
    const int32_t[:, :, ::1] zones,
    const Term *terms,
    Py_ssize_t count,
    Py_ssize_t low,
    Py_ssize_t high,
    int64_t[::1] into,
) noexcept nogil:
    cdef Py_ssize_t row = low, stop, each, found = 0, known = 0 if zones is None else zones.shape[1]
    while row < high:
        stop = min(high, (row // ROWS + 1) * ROWS)
        if row // ROWS < known and not _may_have(zones, row // ROWS, terms, count):
            row = stop
        while row < stop:
            each = 0
            while each < count and _is_among(&terms[each], codes[row, terms[each].place]) == terms[each].have:
                each += 1
            if each == count:
                into[found] = row
                found += 1
            row += 1
    return found


cdef inline bint _may_have(
    const int32_t[:, :, ::1] zones, Py_ssize_t zone, const Term *terms, Py_ssize_t count
) noexcept nogil:
    """Whether a zone may have rows that meet all terms."""
    cdef Py_ssize_t each, at
    for each in range(count):
        if terms[each].have:
            at = _first_from(&terms[each], zones[terms[each].place, zone, 0])
            if at == terms[each].count or terms[each].codes[at] > zones[terms[each].place, zone, 1]:
                return False
    return True


cdef inline bint _is_among(const Term *term, int32_t code) noexcept nogil:
    if term.count == 1:
        return term.codes[0] == code
    cdef Py_ssize_t at = _first_from(term, code)
    return at < term.count and term.codes[at] == code


cdef inline Py_ssize_t _first_from(const Term *term, int32_t code) noexcept nogil:
    """Where the first code of a term is that is not less."""
    cdef Py_ssize_t low = 0, high = term.count, middle
    while low < high:
        middle = (low + high) >> 1
        if term.codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    return low
