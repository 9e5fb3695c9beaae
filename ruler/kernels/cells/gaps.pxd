from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Gaps:
    cdef readonly Py_ssize_t columns, rows, strange, nbytes
    cdef const uint32_t[::1] _which
    cdef const uint8_t[::1] _kinds
    cdef const uint64_t[::1] _cells
    cdef const uint64_t[::1] _others
    cdef uint32_t *_row    # of each place
    cdef uint32_t *_first  # place of each pattern, and the end
    cdef uint32_t *_other  # the first of its own that each column has

    cdef bint fit(self, Py_ssize_t columns, Py_ssize_t rows) noexcept
    cdef void put(
        self, Py_ssize_t column, Py_ssize_t low, Py_ssize_t high, uint64_t mask, uint64_t *out
    ) noexcept nogil
