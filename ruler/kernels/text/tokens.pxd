from ruler.kernels.text.characters cimport Text

cdef class Tokens:
    cdef readonly str text, kind, piece, problem
    cdef readonly Py_ssize_t start, end
    cdef readonly bint in_braces, in_brackets
    cdef readonly bint after_duration  # in [], after the first number
    cdef public Py_ssize_t parts
    cdef public int aggregations  # that what is read stands in
    cdef public bint timed  # whether there was arithmetic on durations
    cdef dict words
    cdef frozenset called
    cdef Text source
    cdef Py_ssize_t stop
    cdef Py_ssize_t parentheses
    cdef bint after_colon

    cdef int step(self) except -1
    cdef bint take(self, str kind) except -1
    cdef int counted(self, Py_ssize_t start) except -1
    cdef double plain_number(self) noexcept
    cdef bint is_before(self, Py_UCS4 char) noexcept

    cdef int _in_the_open(self, Py_UCS4 char, Py_ssize_t start) except -1
    cdef int _operator(self, Py_UCS4 char, Py_ssize_t start) except -1
    cdef int _in_braces(self, Py_UCS4 char, Py_ssize_t start) except -1
    cdef int _in_brackets(self, Py_UCS4 char, Py_ssize_t start) except -1
    cdef int _parenthesis(self, Py_UCS4 char, Py_ssize_t start) except -1
    cdef int _colon(self, Py_ssize_t start) except -1
    cdef int _finish(self) except -1
    cdef int _word(self, Py_ssize_t start) except -1
    cdef bint _before_parenthesis(self, Py_ssize_t at) noexcept
    cdef int _word_in_brackets(self, Py_ssize_t start) except -1
    cdef int _string(self, Py_UCS4 mark, Py_ssize_t start) except -1
    cdef bint _begins_number(self, Py_UCS4 char, Py_ssize_t at) noexcept
    cdef int _number(self, Py_ssize_t start) except -1
    cdef Py_UCS4 _at(self, Py_ssize_t at) noexcept
    cdef Py_ssize_t _after_blanks(self, Py_ssize_t at) noexcept
    cdef int _take(self, str kind, Py_ssize_t start, Py_ssize_t stop) except -1
    cdef int _fixed(self, Py_ssize_t start, Py_ssize_t length) except -1
    cdef int _mistake(self, str problem, Py_ssize_t start) except -1
