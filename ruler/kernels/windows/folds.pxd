from ruler.kernels.windows.window cimport Column, Kernel, Window

cdef bint count_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint present_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint first_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint last_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint latest(Column *c, const Window *w, double *result) noexcept nogil
cdef bint time_of_latest(Column *c, const Window *w, double *result) noexcept nogil
cdef bint start_of_latest(Column *c, const Window *w, double *result) noexcept nogil
cdef bint ts_of_first_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint ts_of_last_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint min_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint max_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint ts_of_min_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint ts_of_max_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint sum_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint avg_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint stdvar_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint stddev_over_time(Column *c, const Window *w, double *result) noexcept nogil
cdef bint deriv(Column *c, const Window *w, double *result) noexcept nogil
cdef bint predict_linear(Column *c, const Window *w, double *result) noexcept nogil
cdef bint double_exponential_smoothing(Column *c, const Window *w, double *result) noexcept nogil
