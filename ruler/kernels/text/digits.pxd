from libc.stdint cimport int64_t

cdef enum:
    NUMBER = 64  # bytes that a number or a time may overwrite, fewer of which are its text

cdef char *write_number(char *at, double value) noexcept nogil
cdef char *write_seconds(char *at, int64_t time) noexcept nogil
