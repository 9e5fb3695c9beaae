from ruler.kernels.windows.window cimport Window

cdef bint quantile_over_time(Window *w, double *result) noexcept nogil
cdef bint mad_over_time(Window *w, double *result) noexcept nogil
