"""The cells of a block that hold no number (ruler/tsdb/coding/gaps.py), put in where columns are read.

What comes from a file is checked when they are made, and reading relies on that.
"""

from libc.stdint cimport INT32_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc


cdef class Gaps:
    """Gaps are the cells without a number of some columns, each of which follows one of several patterns of rows.

    `which` is the pattern of each column. For every place in the patterns, one after another, there is how far it is
    from the place before, and its kind: from 1 on, what is there is in `cells`, past those it is the next of `others`,
    of which `strange` have to be given before anything is read.
    """

    def __cinit__(
        self,
        Py_ssize_t rows,
        Py_ssize_t patterns,
        const uint32_t[::1] which,
        const uint32_t[::1] distances,
        const uint8_t[::1] kinds,
        const uint64_t[::1] cells,
    ):
        cdef Py_ssize_t columns = which.shape[0], places = distances.shape[0], column, place, pattern = 0
        cdef int64_t at = -1
        if not (0 <= patterns <= columns and places <= patterns * rows and columns * rows <= INT32_MAX):
            raise ValueError(f"block: {patterns} patterns with {places} gaps in {columns} columns of {rows} rows")
        if kinds.shape[0] != places:
            raise ValueError(f"block: {kinds.shape[0]} kinds of {places} gaps")
        self.columns, self.rows = columns, rows
        self._which, self._kinds, self._cells = which, kinds, cells
        self._row = <uint32_t *>malloc((places + patterns + 1 + columns) * sizeof(uint32_t))
        if self._row == NULL:
            raise MemoryError(f"{places} gaps")
        self._first = self._row + places
        self._other = self._first + patterns + 1
        self.nbytes = 4 * (places + patterns + 1 + 2 * columns) + places

        self._first[0] = 0
        for place in range(places):
            at += distances[place]
            if not 0 <= at < patterns * rows or not 0 < kinds[place] <= cells.shape[0] + 1:
                raise ValueError("block: a gap outside of the block, or of no known kind")
            while pattern < at // rows:
                pattern += 1
                self._first[pattern] = place
            self._row[place] = at - pattern * rows
        while pattern < patterns:
            pattern += 1
            self._first[pattern] = places

        for column in range(columns):
            if which[column] >= patterns:
                raise ValueError("block: gaps of no known pattern")
            self._other[column] = self.strange
            for place in range(self._first[which[column]], self._first[which[column] + 1]):
                self.strange += kinds[place] > cells.shape[0]

    def __dealloc__(self):
        free(self._row)

    def fill(self, const uint64_t[::1] others):
        """Say what is where none of the known cells is, column after column."""
        if others.shape[0] != self.strange:
            raise ValueError(f"block: {others.shape[0]} of {self.strange} strange cells")
        self._others = others
        self.nbytes += 8 * self.strange

    cdef bint fit(self, Py_ssize_t columns, Py_ssize_t rows) noexcept:
        """Whether they are of so many columns, and all there."""
        return self.columns == columns and self.rows == rows and self._others is not None

    cdef void put(
        self, Py_ssize_t column, Py_ssize_t low, Py_ssize_t high, uint64_t mask, uint64_t *out
    ) noexcept nogil:
        """Put what is no number into the rows [low, high) of a column, XOR a mask."""
        cdef uint32_t pattern = self._which[column], other = self._other[column], place, kind, row
        cdef uint64_t cell
        for place in range(self._first[pattern], self._first[pattern + 1]):
            kind, row = self._kinds[place], self._row[place]
            if kind <= self._cells.shape[0]:
                cell = self._cells[kind - 1]
            else:
                cell = self._others[other]
                other += 1
            if low <= row < high:
                out[row - low] = cell ^ mask
