from libc.stdint cimport int32_t, int64_t, uint64_t

from ruler.kernels.cells.residuals cimport Residuals

cdef enum:
    TILE = 16  # columns taken together where it is rows that lie side by side


cdef class Source:
    cdef Py_ssize_t begin, end, low, across
    cdef const int64_t[::1] columns, places
    cdef const uint64_t[:, :] cells
    cdef const int32_t[::1] since
    cdef list held
    cdef void **blocks  # NULL where it has stored cells

    cdef int hold(self, load, list at_hand, Py_ssize_t rows) except -1
    cdef Residuals block(self, Py_ssize_t number, load, at_hand)
    cdef void decode(
        self, int64_t column, Py_ssize_t from_row, Py_ssize_t to_row, uint64_t *out, uint64_t *room
    ) noexcept nogil
    cdef void take(
        self, Py_ssize_t left, Py_ssize_t right, uint64_t *into, Py_ssize_t height, Py_ssize_t *filled, uint64_t *room
    ) noexcept nogil
    cdef void put_beside(self, Py_ssize_t series, Py_ssize_t rows, uint64_t *out, uint64_t *room) noexcept nogil


cdef class Stack:
    cdef readonly Py_ssize_t width, height
    cdef list sources

    cdef void tile(self, Py_ssize_t left, Py_ssize_t right, double *into, double *room) noexcept nogil
