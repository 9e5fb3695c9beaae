cdef class Node:
    cdef readonly Py_ssize_t start, end
    cdef readonly object type

    cdef void stand(self, Py_ssize_t start, Py_ssize_t end) noexcept

cdef class Number(Node):
    cdef readonly double value
    cdef readonly bint duration

cdef class DurationExpr(Node):
    cdef readonly str op
    cdef readonly Node left, right
    cdef readonly bint wrapped

cdef class Text(Node):
    cdef readonly str value

cdef class VectorSelector(Node):
    cdef readonly str name
    cdef readonly tuple matchers
    cdef readonly object offset, at, extension

cdef class MatrixSelector(Node):
    cdef readonly VectorSelector selector
    cdef readonly object range

cdef class Subquery(Node):
    cdef readonly Node expr
    cdef readonly object range, step, offset, at

cdef class Call(Node):
    cdef readonly str function
    cdef readonly tuple args

cdef class Aggregation(Node):
    cdef readonly str op
    cdef readonly Node expr, param
    cdef readonly tuple grouping
    cdef readonly bint without

cdef class Binary(Node):
    cdef readonly str op
    cdef readonly Node left, right
    cdef readonly bint bool_result
    cdef readonly object matching

cdef class Unary(Node):
    cdef readonly str op
    cdef readonly Node expr

cdef class Paren(Node):
    cdef readonly Node expr
