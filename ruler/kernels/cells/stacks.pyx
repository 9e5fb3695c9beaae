"""Layers of leaves as one stack of rows: their times, and their cells column by column, as readers go through them.

Stored times are XOR the sign bit and stored cells XOR the absent pattern, so that a hole of a sparse file reads as
absent. Readers take times before cells: a row that is seen with its time is seen whole.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from numpy import empty, float64, int32, int64

from ruler.kernels.cells.layers cimport Layer
from ruler.kernels.cells.residuals cimport Residuals
from ruler.kernels.series.numbering import Numbering

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef uint64_t SIGN = <uint64_t>1 << 63
cdef int64_t NEVER = INT64_MIN

cdef extern from "Python.h":  # for lists that are not changed any more, without Python's lock
    ctypedef struct PyObject
    Py_ssize_t PyList_GET_SIZE(PyObject *) noexcept nogil
    void *PyList_GET_ITEM(PyObject *, Py_ssize_t) noexcept nogil


# --- times ------------------------------------------------------------------------------------------------------------


def stacked_times(list layers, int64_t base, Py_ssize_t height, int64_t start, int64_t end):
    """The times in (start, end] of the streams of some layers, in `height` rows from the tick `base` on.

    Gives the times [height x streams], NEVER where there is none, the stream of each series, and the rows [top, bottom)
    outside of which there are none. Series are of one stream that are in the same slot of each layer.
    """
    cdef Py_ssize_t width = (<Layer>layers[0]).column_of.shape[0], count = len(layers), each, place, at
    cdef Py_ssize_t top = height, bottom = 0, filled = 0
    cdef Layer layer
    slots, firsts, numbers = empty((width, count), int32), empty(width, int64), empty(width, int64)
    cdef int32_t[:, ::1] slot_in = slots
    cdef int64_t[::1] first = firsts
    for place in range(count):
        layer = layers[place]
        for each in range(width):
            slot_in[each, place] = layer.outline.slot_of[layer.column_of[each]]
    times = empty((Numbering(count).number(slots, range(count), numbers, firsts), height), int64)
    for place in range(count):
        layer = layers[place]
        at = layer.outline.first + layer.low - base
        _take_times(layer, at, filled, times, slot_in[:, place], first, start, end)
        filled = max(filled, at + layer.high - layer.low)
    _finish_times(times, filled, &top, &bottom)
    return times.T, numbers.astype(int32), top, bottom


cdef int _take_times(
    Layer layer,
    Py_ssize_t at,
    Py_ssize_t filled,
    int64_t[:, ::1] times,
    const int32_t[:] slot_of,
    const int64_t[::1] first,
    int64_t start,
    int64_t end,
) except -1:
    """Write a layer's times to the rows from `at` on, of which those up to `filled` have times of others already.

    A stream is in the slot of the `first` series of it.
    """
    cdef const uint64_t[:, :] stored = layer.outline.times[layer.low : layer.high]
    cdef Py_ssize_t rows = stored.shape[0], streams = times.shape[0], left = 0, right, each, row, slot
    cdef Py_ssize_t beside = min(max(filled - at, 0), rows)
    cdef bint lie_so = stored.strides[0] == sizeof(uint64_t)
    cdef int64_t time
    with nogil:
        while left < streams:
            right = left + 1 if lie_so else min(left + TILE, streams)
            for each in range(left, right):
                slot = slot_of[first[each]]
                for row in range(filled, at):
                    times[each, row] = NEVER
                for row in range(beside):
                    time = _within(stored[row, slot], start, end)
                    if time != NEVER:
                        times[each, at + row] = time
            for row in range(beside, rows):
                for each in range(left, right):
                    times[each, at + row] = _within(stored[row, slot_of[first[each]]], start, end)
            left = right
    return 0


cdef inline int64_t _within(uint64_t stored, int64_t start, int64_t end) noexcept nogil:
    """A stored time that is in (start, end], or NEVER."""
    cdef int64_t time = <int64_t>(stored ^ SIGN)
    return time if start < time <= end else NEVER


cdef void _finish_times(int64_t[:, ::1] times, Py_ssize_t filled, Py_ssize_t *top, Py_ssize_t *bottom) noexcept:
    """Fill the rows after the last layer, and find those outside of which there is no time."""
    cdef Py_ssize_t height = times.shape[1], stream, row
    for stream in range(times.shape[0]):
        for row in range(filled, height):
            times[stream, row] = NEVER
        row = 0
        while row < top[0] and times[stream, row] == NEVER:
            row += 1
        top[0] = row
        row = height
        while row > bottom[0] and times[stream, row - 1] == NEVER:
            row -= 1
        bottom[0] = row


# --- cells ------------------------------------------------------------------------------------------------------------


cdef class Source:
    """A Source is columns of a leaf in neighbouring rows, which are the rows [begin, end) of a stack.

    It has stored cells, in whose row `low` those begin and in which the series are at `places`; or else those of the
    blocks of a chunk that the series are in, `across` columns each from column 1 on, of which `load` gives one by its
    number, None for one that is lost; those that it gave before are `at_hand`. Series whose column is 0 have none.
    From row `since[place]` on, where that is given, all stored cells with a time are the same.
    """

    def __init__(
        self,
        Py_ssize_t begin,
        Py_ssize_t end,
        const int64_t[::1] columns,
        Py_ssize_t low,
        const int64_t[::1] places=None,
        const uint64_t[:, :] cells=None,
        load=None,
        list at_hand=None,
        Py_ssize_t across=1,
        const int32_t[::1] since=None,
    ):
        cdef Py_ssize_t each, rows = end - begin
        if begin < 0 or rows < 0 or low < 0:
            raise IndexError(f"rows {low} and after as {begin} to {end}")
        self.begin, self.end, self.columns, self.low, self.across = begin, end, columns, low, across
        self.since = since
        if load is None:
            if low + rows > cells.shape[0] or places.shape[0] != columns.shape[0]:
                raise IndexError(f"{cells.shape[0]} rows of {places.shape[0]} columns: {low + rows} of {columns.shape[0]}")
            for each in range(columns.shape[0]):
                if not 0 <= places[each] < cells.shape[1]:
                    raise IndexError(f"column {places[each]} of {cells.shape[1]}")
                if since is not None and not places[each] < since.shape[0]:
                    raise IndexError(f"column {places[each]} of {since.shape[0]}")
            self.places, self.cells = places, cells
        else:
            self.hold(load, at_hand, low + rows)

    cdef int hold(self, load, list at_hand, Py_ssize_t rows) except -1:
        """Load the blocks that are wanted, which have to have so many rows, and all columns that are wanted of them."""
        cdef Py_ssize_t each, number, last = -1, count = len(at_hand)
        cdef Residuals block = None
        self.held = []
        self.blocks = <void **>calloc(count + 1, sizeof(void *))
        if self.blocks == NULL:
            raise MemoryError(f"{count} blocks")
        for each in range(self.columns.shape[0]):
            if self.columns[each] <= 0:
                continue
            number = (self.columns[each] - 1) // self.across
            if number != last:
                if number >= count:
                    raise IndexError(f"block: {number} of {count}")
                last, block = number, self.block(number, load, at_hand[number])
                if block is None:
                    continue
                if rows > block.rows:
                    raise IndexError(f"block: row {rows} of {block.rows}")
                self.blocks[number] = <void *>block
            if block is not None and (self.columns[each] - 1) % self.across >= block.columns:
                raise IndexError(f"block: column {self.columns[each]} of blocks of {block.columns}")
        return 0

    cdef Residuals block(self, Py_ssize_t number, load, at_hand):
        """A block, held from now on."""
        if self.blocks[number] != NULL:
            return <Residuals>self.blocks[number]
        found = None if at_hand is None else at_hand.what
        if isinstance(found, Residuals):
            at_hand.wanted = True
        else:
            found = load(number)
        self.held.append(found)
        return found

    def __dealloc__(self):
        free(self.blocks)

    cdef void decode(
        self, int64_t column, Py_ssize_t from_row, Py_ssize_t to_row, uint64_t *out, uint64_t *room
    ) noexcept nogil:
        """Write the values of a chunk's column in some rows, counted from `low` on. There must be such rows."""
        cdef void *block = self.blocks[(column - 1) // self.across]
        if block == NULL:
            _put_absent(out, 0, to_row - from_row)
        else:
            (<Residuals>block).values(
                (column - 1) % self.across, self.low + from_row, self.low + to_row, out, room
            )

    cdef void take(
        self, Py_ssize_t left, Py_ssize_t right, uint64_t *into, Py_ssize_t height, Py_ssize_t *filled, uint64_t *room
    ) noexcept nogil:
        """Write the values of some series, of which so many rows each are `filled` already."""
        cdef Py_ssize_t plain = 0, each, row, above
        cdef uint64_t *out
        cdef const uint64_t *cells
        cdef uint64_t *outs[TILE]
        cdef Py_ssize_t columns[TILE]
        for each in range(right - left):
            if self.columns[left + each] <= 0:
                continue
            out = into + each * height
            _put_absent(out, filled[each], self.begin)
            above = min(max(self.begin, filled[each]), self.end)  # rows before it hold other cells already
            filled[each] = max(filled[each], self.end)
            if above > self.begin:
                self.put_beside(left + each, above - self.begin, out + self.begin, room)
            if self.blocks != NULL:
                if above < self.end:
                    self.decode(
                        self.columns[left + each], above - self.begin, self.end - self.begin, out + above, room
                    )
            elif above > self.begin:
                for row in range(above - self.begin, self.end - self.begin):
                    out[self.begin + row] = self.cells[self.low + row, self.places[left + each]] ^ ABSENT
            else:
                outs[plain], columns[plain] = out + self.begin, self.places[left + each]
                plain += 1
        for row in range(self.end - self.begin if plain else 0):
            cells = &self.cells[self.low + row, 0]
            for each in range(plain):
                outs[each][row] = (<uint64_t *>(<char *>cells + columns[each] * self.cells.strides[1]))[0] ^ ABSENT

    cdef void put_beside(self, Py_ssize_t series, Py_ssize_t rows, uint64_t *out, uint64_t *room) noexcept nogil:
        """Write values to the first rows, beside cells of other streams that are there already."""
        cdef Py_ssize_t row
        if self.blocks != NULL:
            self.decode(self.columns[series], 0, rows, room, room + rows)
        else:
            for row in range(rows):
                room[row] = self.cells[self.low + row, self.places[series]] ^ ABSENT
        for row in range(rows):
            if room[row] != ABSENT:
                out[row] = room[row]


cdef class Stack:
    """A Stack is the values of some series, bits of floats in so many rows, which are computed when they are wanted.

    Where no source has a cell, the value is ABSENT.
    """

    def __init__(self, list sources, Py_ssize_t width, Py_ssize_t height):
        cdef Source source
        self.sources, self.width, self.height = sources, width, height
        for source in sources:
            if source.end > height or source.columns.shape[0] != width:
                raise IndexError(f"{height} rows of {width} series: {source.end} of {source.columns.shape[0]}")

    @property
    def shape(self):
        return self.height, self.width

    def values(self):
        """All of it [rows x series], lying column by column."""
        cdef Py_ssize_t left = 0, right
        values = empty((self.width, self.height), float64)
        cdef double[:, ::1] into = values
        cdef double *room = <double *>malloc(2 * (self.height + 1) * sizeof(double))
        if room == NULL:
            raise MemoryError(f"a column of {self.height} rows")
        with nogil:
            while left < self.width if self.height else False:
                right = min(left + TILE, self.width)
                self.tile(left, right, &into[left, 0], room)
                left = right
        free(room)
        return values.T

    cdef void tile(self, Py_ssize_t left, Py_ssize_t right, double *into, double *room) noexcept nogil:
        """Write the values of up to TILE series, one after another; `room` is for two columns and two numbers."""
        cdef Py_ssize_t filled[TILE]
        cdef Py_ssize_t each, count = PyList_GET_SIZE(<PyObject *>self.sources)
        for each in range(right - left):
            filled[each] = 0
        for each in range(count):
            (<Source>PyList_GET_ITEM(<PyObject *>self.sources, each)).take(
                left, right, <uint64_t *>into, self.height, filled, <uint64_t *>room
            )
        for each in range(right - left):
            _put_absent(<uint64_t *>into + each * self.height, filled[each], self.height)


cdef inline void _put_absent(uint64_t *out, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    cdef Py_ssize_t row
    for row in range(low, high):
        out[row] = ABSENT
