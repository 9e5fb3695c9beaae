"""Rows of codes (the labels of series) numbered by what they are: equal rows have the same number.

Numbers rise as rows first appear. Rows are found by a hash of their codes, and compared whole.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

cdef enum:
    FIRST_ROOM = 32  # rows
    GROWTH = 4
    SPARSE = 2       # slots for each row that there is room for


cdef class Numbering:
    """A Numbering knows the distinct rows seen so far, of `width` codes each."""

    cdef Py_ssize_t width, count, room
    cdef Py_ssize_t *columns
    cdef int32_t *rows
    cdef int32_t *slots  # the number of a row and 1, or 0

    def __cinit__(self, Py_ssize_t width):
        self.width = width
        self.columns = <Py_ssize_t *>malloc((width + 1) * sizeof(Py_ssize_t))
        if self.columns == NULL or not self._has_room(FIRST_ROOM):
            raise MemoryError(f"rows of {width} codes")

    def __dealloc__(self):
        free(self.columns)
        free(self.rows)
        free(self.slots)

    def __len__(self):
        return self.count

    def number(self, const int32_t[:, :] codes, columns, int64_t[::1] into, int64_t[::1] first):
        """Write the number of each row to `into`; `columns` are those to look at, -1 one of zeros.

        Where those rows are that had not been seen is written to `first`; gives how many.
        """
        cdef Py_ssize_t place, rows = codes.shape[0], before = self.count
        cdef bint done
        if len(columns) != self.width:
            raise ValueError(f"{len(columns)} columns of {self.width}")
        if min(into.shape[0], first.shape[0]) < rows:
            raise ValueError(f"room for {min(into.shape[0], first.shape[0])} rows of {rows}")
        for place in range(self.width):
            self.columns[place] = columns[place]
            if not -1 <= self.columns[place] < codes.shape[1]:
                raise ValueError(f"no column {self.columns[place]} of {codes.shape[1]}")
        with nogil:
            done = self._number(codes, into, first)
        if not done:
            raise MemoryError(f"more than {self.count} different rows")
        return self.count - before

    cdef bint _number(self, const int32_t[:, :] codes, int64_t[::1] into, int64_t[::1] first) noexcept nogil:
        cdef Py_ssize_t row, place, before = self.count
        cdef int32_t *slot
        cdef int32_t *candidate
        for row in range(codes.shape[0]):
            if self.count == self.room and not self._has_room(self.room * GROWTH):
                return False
            candidate = self.rows + self.count * self.width
            for place in range(self.width):
                candidate[place] = codes[row, self.columns[place]] if self.columns[place] >= 0 else 0
            slot = self._slot(candidate)
            if slot[0] == 0:
                first[self.count - before] = row
                self.count += 1
                slot[0] = <int32_t>self.count
            into[row] = slot[0] - 1
        return True

    cdef inline int32_t *_slot(self, const int32_t *row) noexcept nogil:
        """Where the row is, or where it would be."""
        cdef Py_ssize_t last = self.room * SPARSE - 1, place
        cdef uint64_t hash = 0
        for place in range(self.width):
            hash = (hash ^ <uint32_t>row[place]) * <uint64_t>0x9E3779B97F4A7C15
        place = (hash >> 32) & last
        while self.slots[place] and not _alike(self.rows + (self.slots[place] - 1) * self.width, row, self.width):
            place = (place + 1) & last
        return self.slots + place

    cdef bint _has_room(self, Py_ssize_t room) noexcept nogil:
        """Whether there is room for so many rows, a power of two: it is made."""
        cdef Py_ssize_t number
        cdef int32_t *rows
        cdef int32_t *slots
        if room * SPARSE > INT32_MAX:
            return False
        rows = <int32_t *>realloc(self.rows, room * (self.width + 1) * sizeof(int32_t))
        if rows == NULL:
            return False
        self.rows = rows
        slots = <int32_t *>calloc(room * SPARSE, sizeof(int32_t))
        if slots == NULL:
            return False
        free(self.slots)
        self.slots, self.room = slots, room
        for number in range(self.count):
            self._slot(rows + number * self.width)[0] = <int32_t>number + 1
        return True


cdef inline bint _alike(const int32_t *one, const int32_t *other, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t place
    for place in range(width):
        if one[place] != other[place]:
            return False
    return True
