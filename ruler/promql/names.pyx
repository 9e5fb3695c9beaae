# cython: boundscheck=True, wraparound=True
"""The names in a query: the matchers in `{…}` and the labels in the `(…)` after by, without, on and their like."""

from cpython.unicode cimport PyUnicode_Substring

from ruler.kernels.text.tokens cimport Tokens

from common.errors import ParseError
from common.labels import METRIC_NAME
from ruler.kernels.text.tokens import IDENTIFIER, STRING
from ruler.model.matcher import Matcher, MatchOp, weight
from ruler.promql.lexer import LABEL_NAMES

cdef dict OPERATORS = {op.value: op for op in MatchOp}
cdef object new = tuple.__new__  # of a Matcher in which there is nothing to check
cdef object EQUAL = MatchOp.EQUAL, REGEX = MatchOp.REGEX, NOT_REGEX = MatchOp.NOT_REGEX


cdef str string(Tokens cursor):
    """What the next token, a string, says; raises Excess."""
    cdef str inner = PyUnicode_Substring(cursor.piece, 1, len(cursor.piece) - 1)
    return inner if "\\" not in inner else cursor.string()


cdef list label_matchers(Tokens cursor):
    """The matchers in `{…}`, which is next."""
    cdef list matchers = []
    cursor.step()
    while not cursor.take("}"):
        matchers.append(_label_matcher(cursor))
        if not cursor.take(",") and cursor.kind != "}":
            raise cursor.unexpected("label matching", '"," or "}"')
    return matchers


cdef object _label_matcher(Tokens cursor):
    cdef Py_ssize_t start = cursor.start
    cdef str kind = cursor.kind, name, value
    cursor.counted(start)
    if kind != IDENTIFIER and kind != STRING:
        raise cursor.unexpected("label matching", 'identifier or "}"')
    name = string(cursor) if kind == STRING else cursor.piece
    cursor.step()
    operator = OPERATORS.get(cursor.kind)
    if operator is None:
        if kind == IDENTIFIER:
            raise cursor.unexpected("label matching", "label matching operator")
        return new(Matcher, (METRIC_NAME, EQUAL, name))
    cursor.step()
    if cursor.kind != STRING:
        raise cursor.unexpected("label matching", "string")
    value = string(cursor)
    cursor.step()
    if operator is not REGEX and operator is not NOT_REGEX:
        return new(Matcher, (name, operator, value))
    cursor.count(_parts(value), start)
    try:
        return Matcher(name, operator, value)
    except ParseError as error:
        raise cursor.error(error.problem, start) from None


cdef _parts(str regex):
    """How many nodes are made in the time in which an expression is compiled."""
    heavy = weight(regex)
    return 10 + heavy // 8 if heavy else 0


cdef tuple name_matcher(str name):
    """What a bare name stands for."""
    return (new(Matcher, (METRIC_NAME, EQUAL, name)),)


cdef bint is_slow_to_match(str name, list written) except -1:
    """Whether series are looked for by a pattern, or by no name."""
    named = bool(name)
    for matcher in written:
        if matcher.op is REGEX or matcher.op is NOT_REGEX:
            return True
        if matcher.op is EQUAL and matcher.name == METRIC_NAME:
            named = True
    return not named


cdef bint name_is_among(list written) except -1:
    """Whether one of these is about the name."""
    for matcher in written:
        if matcher.name == METRIC_NAME:
            return True
    return False


cpdef tuple grouping_labels(Tokens cursor):
    """The labels in `(a, b)`, the parenthesis being next."""
    cdef list labels = []
    cdef Py_ssize_t start
    if not cursor.take("("):
        raise cursor.unexpected("grouping opts", '"("')
    while not cursor.take(")"):
        start = cursor.start
        if cursor.kind not in LABEL_NAMES:
            raise cursor.unexpected("grouping opts", "label")
        label = string(cursor) if cursor.kind == STRING else cursor.piece
        labels.append(label)
        cursor.step()
        cursor.counted(start)
        if not label:
            raise cursor.error('invalid label name for grouping: ""', start)
        if not cursor.take(",") and cursor.kind != ")":
            raise cursor.unexpected("grouping opts", '"," or ")"')
    return tuple(labels)
