"""A block of a chunk as pcodec leaves it, whose columns are computed when they are wanted, in one pass each.

The number of a row is the column's base and, shifted, a residual or the sum of those up to there; that of a kin may be
added; the column's form makes a float of it (ruler/tsdb/coding/decimals.py); gaps are put in at the end. What comes
from a file is checked when a block is made, and reading relies on that.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef uint64_t TIME_SIGN = <uint64_t>1 << 63

# What a column's note says: its form, whether it never changes, whether it has gaps.
cdef uint8_t FORM = 0x3F, CONSTANT = 0x40, GAPPED = 0x80
# What its key says: the width of its residuals, and whether those are from row to row. They lie in the order of keys.
cdef int WIDTH_AT = 6
cdef uint8_t STEPS = 0x20

ctypedef fused Residual:
    int8_t
    int16_t
    int32_t
    int64_t

cdef class Residuals:
    """Residuals are the columns of a block as they are stored, but for the compression.

    Each column has a note. `bases` are of the `still` columns, then of the `moving` ones; of these there are keys, then
    shifts (`described`), and kin of each or of none: twice the other's number among them and two, one more where it is
    taken away. `residuals` are those of 8, 16, 32 and 64 bits. `forms` are a factor and two divisors each; the last
    form is the bits of floats.
    """

    def __cinit__(
        self,
        Py_ssize_t rows,
        const double[:, ::1] forms,
        const uint8_t[::1] notes,
        const int64_t[::1] still,
        const int64_t[::1] moving,
        const int64_t[::1] bases,
        const uint8_t[::1] described,
        const uint16_t[::1] kin,
        tuple residuals,
        Gaps gaps,
    ):
        cdef Py_ssize_t columns = notes.shape[0]
        if not (0 < rows <= INT32_MAX and 0 < columns <= INT32_MAX):
            raise ValueError(f"block: {columns} columns of {rows} rows")
        if not columns == still.shape[0] + moving.shape[0] == bases.shape[0]:
            raise ValueError(f"block: {bases.shape[0]} bases of {columns} columns")
        if described.shape[0] != 2 * moving.shape[0] or kin.shape[0] not in (0, moving.shape[0]):
            raise ValueError(f"block: {described.shape[0]} keys and shifts of {moving.shape[0]} columns")
        self.columns, self.rows = columns, rows
        self._forms, self._gaps = forms, gaps
        self._of8, self._of16, self._of32, self._of64 = residuals
        self._columns = <Column *>calloc(columns, sizeof(Column))
        if self._columns == NULL:
            raise MemoryError(f"{columns} columns")
        self.nbytes = columns * sizeof(Column) + sum([each.nbytes for each in residuals])
        self.nbytes += 0 if gaps is None else gaps.nbytes
        self._note(notes)
        self._place(still, moving, bases, described)
        self._relate(moving, kin)

    def __dealloc__(self):
        free(self._columns)

    cdef void values(
        self, Py_ssize_t column, Py_ssize_t low, Py_ssize_t high, uint64_t *out, uint64_t *room
    ) noexcept nogil:
        """Write the rows [low, high) of a column to `out`: bits of floats, ABSENT where there is none.

        There must be such rows; `room` is for as many.
        """
        cdef Py_ssize_t row
        if self._columns[column].note & CONSTANT:
            out[0] = self._columns[column].base
            self._as_floats(column, 1, out)
            for row in range(1, high - low):
                out[row] = out[0]
        else:
            self._numbers(column, low, high, out, room)
            self._as_floats(column, high - low, out)
        self._put_gaps(column, low, high, ABSENT, out)

    def times(self, int64_t interval, int64_t first, uint64_t[:, :] into):
        """Write all columns, as times are stored, to `into`: the first row is that of the tick `first`."""
        cdef Py_ssize_t column, row
        cdef uint64_t *out
        if into.shape[0] != self.rows or into.shape[1] != self.columns:
            raise IndexError(f"block: {self.rows} rows of {self.columns} columns into {into.shape[0]}")
        cdef uint64_t *room = _room(self.rows)
        with nogil:
            for column in range(self.columns):
                out = _out(into, column, room)
                self._numbers(column, 0, self.rows, out, room + self.rows)
                for row in range(self.rows):
                    out[row] = (out[row] + <uint64_t>(first + row) * <uint64_t>interval) ^ TIME_SIGN
                self._put_gaps(column, 0, self.rows, 0, out)
                _put(out, into, column)
        free(room)

    cdef int _note(self, const uint8_t[::1] notes) except -1:
        """Take down each column's form, and which of those with gaps it is."""
        cdef Py_ssize_t column
        cdef uint32_t gapped = 0
        for column in range(self.columns):
            if notes[column] & FORM >= self._forms.shape[0]:
                raise ValueError(f"block: no such form: {notes[column] & FORM}")
            self._columns[column].note = notes[column]
            self._columns[column].gapped = gapped
            gapped += notes[column] & GAPPED != 0
        if gapped and (self._gaps is None or not self._gaps.fit(gapped, self.rows)):
            raise ValueError(f"block: gaps of others than these {gapped} columns of {self.rows} rows")
        return 0

    cdef int _place(
        self,
        const int64_t[::1] still,
        const int64_t[::1] moving,
        const int64_t[::1] bases,
        const uint8_t[::1] described,
    ) except -1:
        """Take down with which numbers columns begin, and where their residuals are."""
        cdef Py_ssize_t i, count = moving.shape[0]
        cdef uint32_t before[257]  # columns with a lesser key
        cdef uint32_t first[5]  # column of each width, and the end
        cdef Column *column
        for i in range(still.shape[0]):
            self._columns[still[i]].base = bases[i]
        memset(before, 0, sizeof(before))
        for i in range(count):
            before[described[i] + 1] += 1
        for i in range(256):
            before[i + 1] += before[i]
        for i in range(5):
            first[i] = before[i << WIDTH_AT]
        for i in range(count):
            column = &self._columns[moving[i]]
            column.base, column.key = bases[still.shape[0] + i], described[i]
            column.shift = described[count + i] & 63
            column.rank = before[column.key] - first[column.key >> WIDTH_AT]
            before[column.key] += 1
        lengths = (self._of8.shape[0], self._of16.shape[0], self._of32.shape[0], self._of64.shape[0])
        if lengths != tuple([(first[i + 1] - first[i]) * (self.rows - 1) for i in range(4)]):
            raise ValueError(f"block: residuals of other columns: {lengths}")
        return 0

    cdef int _relate(self, const int64_t[::1] moving, const uint16_t[::1] kin) except -1:
        """Take down which columns are added to or taken away from others. Those stand alone."""
        cdef Py_ssize_t i, other
        for i in range(kin.shape[0]):
            if kin[i]:
                other = (kin[i] >> 1) - 1
                if not 0 <= other < kin.shape[0] or kin[other]:
                    raise ValueError(f"block: a column that belongs to no other: {kin[i]}")
                other = moving[other] + 1
                self._columns[moving[i]].kin = -other if kin[i] & 1 else other
        return 0

    cdef void _numbers(
        self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t *out, uint64_t *room
    ) noexcept nogil:
        """The numbers of a column in the rows [low, high)."""
        cdef int32_t kin = self._columns[number].kin
        cdef Py_ssize_t row
        self._alone(number, low, high, out)
        if kin > 0:
            self._alone(kin - 1, low, high, room)
            for row in range(high - low):
                out[row] += room[row]
        elif kin < 0:
            self._alone(-kin - 1, low, high, room)
            for row in range(high - low):
                out[row] -= room[row]

    cdef void _alone(self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t *out) noexcept nogil:
        """The same, of what the column's residuals say by themselves."""
        cdef const Column *column = &self._columns[number]
        cdef Py_ssize_t at = <Py_ssize_t>column.rank * (self.rows - 1), row
        if column.note & CONSTANT or self.rows == 1:
            for row in range(high - low):
                out[row] = column.base
        elif column.key >> WIDTH_AT == 0:
            _expand(&self._of8[at], column, low, high, out)
        elif column.key >> WIDTH_AT == 1:
            _expand(&self._of16[at], column, low, high, out)
        elif column.key >> WIDTH_AT == 2:
            _expand(&self._of32[at], column, low, high, out)
        else:
            _expand(&self._of64[at], column, low, high, out)

    cdef void _as_floats(self, Py_ssize_t number, Py_ssize_t count, uint64_t *out) noexcept nogil:
        """Numbers as floats: by the same operations, in the same order, as when they were chosen."""
        cdef Py_ssize_t form = self._columns[number].note & FORM, row
        cdef const double *factors = &self._forms[form, 0]
        cdef const int64_t *numbers = <const int64_t *>out
        cdef double *floats = <double *>out
        if form == self._forms.shape[0] - 1:
            for row in range(count):
                out[row] = numbers[row] ^ ((numbers[row] >> 63) & INT64_MAX)
            return
        for row in range(count):
            floats[row] = <double>numbers[row]
        if factors[0] != 1:
            for row in range(count):
                floats[row] *= factors[0]
        if factors[1] != 1:
            for row in range(count):
                floats[row] /= factors[1]
        if factors[2] != 1:
            for row in range(count):
                floats[row] /= factors[2]

    cdef void _put_gaps(
        self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t mask, uint64_t *out
    ) noexcept nogil:
        if self._columns[number].note & GAPPED:
            self._gaps.put(self._columns[number].gapped, low, high, mask, out)


cdef inline void _expand(
    const Residual *residuals, const Column *column, Py_ssize_t low, Py_ssize_t high, uint64_t *out
) noexcept nogil:
    """Numbers from residuals, of which that of row 0 is left out."""
    cdef uint64_t number = column.base, unit = <uint64_t>1 << column.shift
    cdef Py_ssize_t row
    if column.key & STEPS:
        for row in range(low):
            number += residuals[row] * unit
        out[0] = number
        for row in range(low + 1, high):
            number += residuals[row - 1] * unit
            out[row - low] = number
    else:
        out[0] = number
        for row in range(max(1, low), high):
            out[row - low] = number + residuals[row - 1] * unit


cdef uint64_t *_room(Py_ssize_t rows) except NULL:
    """Room for the numbers of a column and of its kin."""
    cdef uint64_t *room = <uint64_t *>malloc(2 * rows * sizeof(uint64_t))
    if room == NULL:
        raise MemoryError(f"a column of {rows} rows")
    return room


cdef inline uint64_t *_out(uint64_t[:, :] into, Py_ssize_t place, uint64_t *room) noexcept nogil:
    """Where a column is computed: in its place, when its rows lie one after another there."""
    return &into[0, place] if into.strides[0] == sizeof(uint64_t) else room


cdef inline void _put(const uint64_t *out, uint64_t[:, :] into, Py_ssize_t place) noexcept nogil:
    """Copy to its place what was computed elsewhere."""
    cdef Py_ssize_t row
    if out != &into[0, place]:
        for row in range(into.shape[0]):
            into[row, place] = out[row]
