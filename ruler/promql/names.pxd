from ruler.kernels.text.tokens cimport Tokens

cdef str string(Tokens cursor)
cdef list label_matchers(Tokens cursor)
cpdef tuple grouping_labels(Tokens cursor)
cdef tuple name_matcher(str name)
cdef bint is_slow_to_match(str name, list written) except -1
cdef bint name_is_among(list written) except -1
