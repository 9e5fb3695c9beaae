from ruler.kernels.windows.window cimport Column, Kernel, Window

cdef bint rate(Column *c, const Window *w, double *result) noexcept nogil
cdef bint increase(Column *c, const Window *w, double *result) noexcept nogil
cdef bint delta(Column *c, const Window *w, double *result) noexcept nogil
cdef bint irate(Column *c, const Window *w, double *result) noexcept nogil
cdef bint idelta(Column *c, const Window *w, double *result) noexcept nogil
cdef bint changes(Column *c, const Window *w, double *result) noexcept nogil
cdef bint resets(Column *c, const Window *w, double *result) noexcept nogil
cdef bint overlaps(Column *c, const Window *w, double *result) noexcept nogil

cdef bint differs(double old, double new) noexcept nogil
cdef double lost(Column *c, double total, Py_ssize_t first, Py_ssize_t stop) noexcept nogil

cdef Py_ssize_t rate_of_each(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil
cdef Py_ssize_t increase_of_each(Kernel kernel, Column *c, Py_ssize_t step, Py_ssize_t until) noexcept nogil
