from libc.stdint cimport int32_t, int64_t, uint64_t


cdef class Outline:
    cdef readonly int64_t interval, first
    cdef public int64_t ahead, behind
    cdef const int32_t[::1] slot_of, first_row, last_row, slot_first, slot_last
    cdef const uint64_t[:, :] times

    cdef void about(self, int64_t start, int64_t end, Py_ssize_t *low, Py_ssize_t *high) noexcept


cdef class Layer:
    cdef readonly object page, columns
    cdef readonly tuple erasures
    cdef readonly Py_ssize_t low, high, count
    cdef const int64_t[::1] column_of
    cdef Outline outline
