from ruler.kernels.windows.window cimport Window

cdef bint rate(Window *w, double *result) noexcept nogil
cdef bint increase(Window *w, double *result) noexcept nogil
cdef bint delta(Window *w, double *result) noexcept nogil
cdef bint irate(Window *w, double *result) noexcept nogil
cdef bint idelta(Window *w, double *result) noexcept nogil
cdef bint changes(Window *w, double *result) noexcept nogil
cdef bint resets(Window *w, double *result) noexcept nogil
cdef bint overlaps(Window *w, double *result) noexcept nogil

cdef bint differs(double old, double new) noexcept nogil
cdef bint starts_again(const Window *w, Py_ssize_t old, Py_ssize_t new) noexcept nogil
cdef double lost(Window *w, double total, Py_ssize_t first, Py_ssize_t stop) noexcept nogil
