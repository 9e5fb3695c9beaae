from ruler.kernels.windows.window cimport Window

cdef bint count_over_time(Window *w, double *result) noexcept nogil
cdef bint present_over_time(Window *w, double *result) noexcept nogil
cdef bint first_over_time(Window *w, double *result) noexcept nogil
cdef bint last_over_time(Window *w, double *result) noexcept nogil
cdef bint latest(Window *w, double *result) noexcept nogil
cdef bint time_of_latest(Window *w, double *result) noexcept nogil
cdef bint start_of_latest(Window *w, double *result) noexcept nogil
cdef bint ts_of_first_over_time(Window *w, double *result) noexcept nogil
cdef bint ts_of_last_over_time(Window *w, double *result) noexcept nogil
cdef bint min_over_time(Window *w, double *result) noexcept nogil
cdef bint max_over_time(Window *w, double *result) noexcept nogil
cdef bint ts_of_min_over_time(Window *w, double *result) noexcept nogil
cdef bint ts_of_max_over_time(Window *w, double *result) noexcept nogil
cdef bint sum_over_time(Window *w, double *result) noexcept nogil
cdef bint avg_over_time(Window *w, double *result) noexcept nogil
cdef bint stdvar_over_time(Window *w, double *result) noexcept nogil
cdef bint stddev_over_time(Window *w, double *result) noexcept nogil
cdef bint deriv(Window *w, double *result) noexcept nogil
cdef bint predict_linear(Window *w, double *result) noexcept nogil
cdef bint double_exponential_smoothing(Window *w, double *result) noexcept nogil
