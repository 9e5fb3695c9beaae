from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ruler.kernels.cells.gaps cimport Gaps


cdef packed struct Column:
    int64_t base
    uint32_t rank    # among the columns of its width
    uint32_t gapped  # its number among the columns with gaps
    int32_t kin      # the column that is added, and one; negative where it is taken away, 0 where there is none
    uint8_t note, key, shift


cdef class Residuals:
    cdef readonly Py_ssize_t columns, rows, nbytes
    cdef const double[:, ::1] _forms
    cdef const int8_t[::1] _of8
    cdef const int16_t[::1] _of16
    cdef const int32_t[::1] _of32
    cdef const int64_t[::1] _of64
    cdef Gaps _gaps
    cdef Column *_columns

    cdef void values(
        self, Py_ssize_t column, Py_ssize_t low, Py_ssize_t high, uint64_t *out, uint64_t *room
    ) noexcept nogil
    cdef int _note(self, const uint8_t[::1] notes) except -1
    cdef int _place(
        self,
        const int64_t[::1] still,
        const int64_t[::1] moving,
        const int64_t[::1] bases,
        const uint8_t[::1] described,
    ) except -1
    cdef int _relate(self, const int64_t[::1] moving, const uint16_t[::1] kin) except -1
    cdef void _numbers(
        self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t *out, uint64_t *room
    ) noexcept nogil
    cdef void _alone(self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t *out) noexcept nogil
    cdef void _as_floats(self, Py_ssize_t number, Py_ssize_t count, uint64_t *out) noexcept nogil
    cdef void _put_gaps(
        self, Py_ssize_t number, Py_ssize_t low, Py_ssize_t high, uint64_t mask, uint64_t *out
    ) noexcept nogil
