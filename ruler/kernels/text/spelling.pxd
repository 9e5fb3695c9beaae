from ruler.kernels.text.characters cimport Text

cdef enum Spelling:
    IS_NUMBER
    IS_DURATION
    IS_WRONG
    IS_ENDLESS

cdef Spelling spelled(const Text *text, Py_ssize_t start, Py_ssize_t *stop) noexcept
cdef Py_ssize_t escape(const Text *text, Py_UCS4 mark, Py_ssize_t at) noexcept
