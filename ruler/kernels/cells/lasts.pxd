from libc.stdint cimport int64_t, uint8_t, uint64_t

from ruler.kernels.cells.layers cimport Layer
from ruler.kernels.cells.stacks cimport TILE, Source


cdef struct Spot:
    # The last row of a stream that a window reaches, counted from the layer's first, and its time.
    Py_ssize_t row
    int64_t time


cdef struct Line:
    # What is in one row after the other: so many bytes apart, and XOR a mask; from row `still` on it is the same.
    const char *first
    Py_ssize_t apart
    uint64_t mask
    Py_ssize_t still


cdef struct Room:
    # One piece of memory for a tile of series.
    char *memory
    Py_ssize_t across         # series of a tile
    uint64_t *last            # [windows x tile] bits of the samples found, ABSENT where there is none
    int64_t *time             # likewise
    Py_ssize_t missing[TILE]  # windows from which on each series has all that there is
    Spot *spots               # for each of the first `until` windows; outside of [low, high) they reach none
    Py_ssize_t low, high, until
    uint64_t *looked          # what is there, for each window
    uint64_t *decoded         # a column,
    uint64_t *beside          # and what takes part in computing it


cdef class LastSamples:
    cdef readonly Py_ssize_t width, count
    cdef list layers, sources
    cdef object read
    cdef int64_t first, step, reach
    cdef bint past_stale
    cdef Py_ssize_t most_rows

    cdef int furnish(self, Room *room) except -1
    cdef int load(self, Py_ssize_t number) except -1
    cdef int64_t tile(self, Py_ssize_t left, Py_ssize_t right, Room *room) except -1 nogil
    cdef Py_ssize_t take(self, Layer layer, Source source, Py_ssize_t left, Py_ssize_t right, Room *room) noexcept nogil
    cdef void find(self, Layer layer, const Line *times, Py_ssize_t until, Room *room) noexcept nogil
    cdef Py_ssize_t windows_until(self, int64_t time) noexcept nogil
    cdef Py_ssize_t follow(self, const Line *times, const Line *cells, Py_ssize_t place, Room *room) noexcept nogil
