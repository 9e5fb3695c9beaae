from ruler.kernels.windows.window cimport Column, Window

cdef bint extended_rate(Column *c, const Window *w, double *result) noexcept nogil
cdef bint extended_increase(Column *c, const Window *w, double *result) noexcept nogil
cdef bint extended_delta(Column *c, const Window *w, double *result) noexcept nogil
cdef bint extended_changes(Column *c, const Window *w, double *result) noexcept nogil
cdef bint extended_resets(Column *c, const Window *w, double *result) noexcept nogil
cdef bint smoothed(Column *c, const Window *w, double *result) noexcept nogil
cdef bint left_edge(Column *c, const Window *w, double *result) noexcept nogil
cdef bint right_edge(Column *c, const Window *w, double *result) noexcept nogil
