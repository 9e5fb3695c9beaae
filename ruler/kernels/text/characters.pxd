"""The characters of a text of Python's, and what each may be part of in a query."""

from cpython.unicode cimport PyUnicode_READ

cdef enum:
    NOTHING = 0x110000  # what stands beyond the end: no character


cdef struct Text:
    int width  # of a character
    void *data
    Py_ssize_t length


cdef inline Py_UCS4 char_at(const Text *text, Py_ssize_t at) noexcept:
    """The character at a place, or NOTHING."""
    return PyUnicode_READ(text.width, text.data, at) if at < text.length else NOTHING


cdef inline bint is_space(Py_UCS4 char) noexcept:
    return char in " \t\n\r"


cdef inline bint is_digit(Py_UCS4 char) noexcept:
    return c'0' <= char <= c'9'


cdef inline bint is_letter(Py_UCS4 char) noexcept:
    """Whether a word may begin so."""
    return c'a' <= char <= c'z' or c'A' <= char <= c'Z' or char == c'_'


cdef inline bint is_alphanumeric(Py_UCS4 char) noexcept:
    return is_letter(char) or is_digit(char)


cdef inline bint is_hexadecimal(Py_UCS4 char) noexcept:
    return is_digit(char) or c'a' <= char <= c'f' or c'A' <= char <= c'F'


cdef inline unsigned int digit_of(unsigned int char) noexcept:
    """The value of a hexadecimal digit."""
    return (char & 0xF) + (9 if char > c'9' else 0)


cdef inline bint is_quote(Py_UCS4 char) noexcept:
    return char in "\"'`"


cdef inline bint is_unit(Py_UCS4 char) noexcept:
    return char in "smhdwy"


cdef inline bint is_no_text(Py_UCS4 char) noexcept:
    """Whether a character stands for bytes that were no UTF-8."""
    return char == 0xFFFD or 0xD800 <= char <= 0xDFFF


cdef inline Py_ssize_t after_digits(const Text *text, Py_ssize_t at) noexcept:
    while is_digit(char_at(text, at)):
        at += 1
    return at
