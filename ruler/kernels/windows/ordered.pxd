from ruler.kernels.windows.window cimport Column, Window

cdef bint quantile_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint mad_over_time(Column *c, const Window *w, double *result) noexcept nogil
