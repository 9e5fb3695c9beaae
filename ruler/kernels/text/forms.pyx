"""The fields of a form as URLs and bodies have them, `a=b&c=%2F+d`: split, and what stands for other bytes resolved.

What is decoded is never longer than what it was.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memchr


def fields(bytes encoded not None):
    """Names and values in the order in which they are written, as bytes; one without `=` has an empty value."""
    cdef const char *at = PyBytes_AS_STRING(encoded)
    cdef const char *end = at + len(encoded)
    cdef const char *stop
    cdef const char *sign
    cdef list found = []
    while at < end:
        stop = <const char *>memchr(at, c'&', end - at)
        if stop == NULL:
            stop = end
        if stop > at:
            sign = <const char *>memchr(at, c'=', stop - at)
            if sign == NULL:
                found.append((_decoded(at, stop), b""))
            else:
                found.append((_decoded(at, sign), _decoded(sign + 1, stop)))
        at = stop + 1
    return found


cdef bytes _decoded(const char *at, const char *end):
    """`+` is a space and `%2F` a byte; a `%` without two hexadecimal digits is itself."""
    if memchr(at, c'%', end - at) == NULL and memchr(at, c'+', end - at) == NULL:
        return PyBytes_FromStringAndSize(at, end - at)
    cdef bytes room = PyBytes_FromStringAndSize(NULL, end - at)  # nobody else has it yet
    cdef char *begin = PyBytes_AS_STRING(room)
    cdef char *to = begin
    cdef int high, low
    while at < end:
        if at[0] == c'%' and end - at > 2:
            high, low = _digit(at[1]), _digit(at[2])
            if high >= 0 and low >= 0:
                to[0] = <char>(high << 4 | low)
                to += 1
                at += 3
                continue
        to[0] = c' ' if at[0] == c'+' else at[0]
        to += 1
        at += 1
    return PyBytes_FromStringAndSize(begin, to - begin)


cdef inline int _digit(char char) noexcept nogil:
    """The value of a hexadecimal digit, or -1."""
    if c'0' <= char <= c'9':
        return char - c'0'
    if c'a' <= char <= c'f':
        return char - c'a' + 10
    if c'A' <= char <= c'F':
        return char - c'A' + 10
    return -1
