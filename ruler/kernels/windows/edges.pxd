from ruler.kernels.windows.window cimport Window

cdef bint extended_rate(Window *w, double *result) noexcept nogil
cdef bint extended_increase(Window *w, double *result) noexcept nogil
cdef bint extended_delta(Window *w, double *result) noexcept nogil
cdef bint extended_changes(Window *w, double *result) noexcept nogil
cdef bint extended_resets(Window *w, double *result) noexcept nogil
cdef bint smoothed(Window *w, double *result) noexcept nogil
cdef bint left_edge(Window *w, double *result) noexcept nogil
cdef bint right_edge(Window *w, double *result) noexcept nogil
