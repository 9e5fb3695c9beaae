# cython: boundscheck=True, wraparound=True
"""Query text → syntax tree, by precedence climbing. Syntax errors are raised where they are met; an error of types is
kept until the whole text has parsed, as Prometheus does, so that both tell of the same mistake first.
"""

cimport cython
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject

from ruler.kernels.text.tokens cimport Tokens
from ruler.promql.ast cimport (
    Aggregation,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from ruler.promql.names cimport grouping_labels, is_slow_to_match, label_matchers, name_is_among, name_matcher, string

from ruler.kernels.text.tokens import DURATION, END, IDENTIFIER, ODD, STRING
from ruler.promql import check, extents
from ruler.promql.cursor import Cursor, Excess
from ruler.promql.lexer import FILLS, METRIC_NAMES, WORDS
from ruler.promql.modes import Cardinality, Matching
from ruler.promql.modifiers import BEHIND, OF_OPERATORS, PLAIN, SECONDS, SIGNS, modified, of_operator
from ruler.promql.signatures import AGGREGATIONS, PARAMETERS, SIGNATURES, ValueType

LONGEST_TEXT = 1 << 20
DEEPEST_NESTING = 128

cdef enum:
    DEEPEST = 128
    MOST_IN_A_ROW = 128  # modifiers
    LIGHT_PARTS = 48

cdef dict PRECEDENCE = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", "!=", "<=", "<", ">=", ">"), 3),
    "+": 4,
    "-": 4,
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
cdef enum:
    POWER = 6
cdef object ONE_TO_ONE = Cardinality.ONE_TO_ONE, ALL_TO_ALL = Matching(Cardinality.MANY_TO_MANY)
cdef object SCALAR = ValueType.SCALAR, VECTOR = ValueType.VECTOR

# Kinds of tokens by what they begin.
cdef tuple AFTER_AGGREGATIONS = ("by", "without", ODD)
cdef frozenset CALLABLE_WORDS = frozenset({IDENTIFIER, "start", "end", "step", "range"})
cdef frozenset OPERANDS = METRIC_NAMES | {"(", STRING, "{", *SIGNS, *SECONDS}


cdef class Query:
    """A Query is a text with its expression; notes tell of places in the text, if there is one.

    It is `light` when it costs little beside what it charges to its limits: of few parts, it looks at metrics by name,
    and at nothing by a pattern or over and over. It is `timed` when it holds arithmetic on durations.
    """

    cdef readonly str text
    cdef readonly Node expr
    cdef readonly bint light, timed

    def __init__(self, str text not None, Node expr not None, bint light, bint timed):
        self.text, self.expr, self.light, self.timed = text, expr, light, timed


def parse(str text not None):
    """The expression that `text` writes; raises ParseError."""
    return _parser(text, "query").whole()


def parsed(str text not None):
    """What `text` asks; raises ParseError."""
    cdef _Parser parser = _parser(text, "query")
    cdef Query query = Query.__new__(Query)
    query.text, query.expr = text, parser.whole()
    query.light = not parser.is_slow and parser.cursor.parts <= LIGHT_PARTS
    query.timed = parser.cursor.timed
    return query


def parse_selector(str text not None):
    """The matchers of a series selector (`match[]` of the API) and nothing more; raises ParseError."""
    return _parser(text, "selector").selector_alone().matchers


cdef _Parser _parser(str text, str what):
    if len(text) > LONGEST_TEXT:
        raise Excess(f"{what} longer than {LONGEST_TEXT} characters", text="")
    cdef _Parser parser = _Parser.__new__(_Parser)
    parser.cursor = Cursor(text, WORDS, FILLS)
    return parser


@cython.final
cdef class _Parser:
    """A parser of one text: its place in it, how deep it is, and the first error of types that it has seen."""

    cdef Tokens cursor  # a Cursor
    cdef int depth
    cdef object type_error
    cdef bint is_slow  # to match: something is looked at by no name, by a pattern, or over and over
    cdef dict names  # the matchers of each bare name

    cdef Node whole(self):
        if self.cursor.kind == END:
            raise self.cursor.error("no expression found in input", 0)
        cdef Node expr = self.expression(None, 1)
        self.finish()
        return expr

    cdef VectorSelector selector_alone(self):
        cdef str kind = self.cursor.kind
        if kind not in METRIC_NAMES and kind != "{":
            raise self.cursor.unexpected()
        cdef VectorSelector selector = self.selector("", -1)
        self.finish()
        return selector

    cdef int finish(self) except -1:
        if self.cursor.kind != END:
            raise self.cursor.stray()
        if self.type_error is not None:
            raise self.type_error
        return 0

    cdef int complain(self, found) except -1:
        if found is not None and self.type_error is None:
            self.type_error = self.cursor.error(found.problem, found.position)
        return 0

    cdef int stand(self, Node node, Py_ssize_t start) except -1:
        """Say where a node stands that ends here."""
        self.cursor.counted(start)
        node.stand(start, self.cursor.end)
        return 0

    # --- operators ----------------------------------------------------------------------------------------------------

    cdef Node expression(self, Node left, int floor):
        """An operand (`left`, if it is known) and the operators after it that bind at least as tightly as `floor`."""
        cdef Tokens cursor = self.cursor
        cdef Node right
        cdef Py_ssize_t at
        cdef int rank
        cdef str op
        self.depth += 1
        if self.depth > DEEPEST:
            raise Excess(f"expression nested deeper than {DEEPEST} levels", text=cursor.text, position=cursor.start)
        if left is None:
            left = self.operand()
        rank = _rank(cursor.kind)
        while rank >= floor:
            op, at = cursor.kind, cursor.start
            cursor.step()
            bool_result, matching = False, PLAIN
            if cursor.kind in OF_OPERATORS:
                bool_result, matching = of_operator(cursor)
            right = self.operand()
            rank += op != "^"
            if _rank(cursor.kind) >= rank:
                right = self.expression(right, rank)
            left = self.binary(op, at, left, right, bool_result, matching)
            rank = _rank(cursor.kind)
        self.depth -= 1
        return left

    cdef Binary binary(self, str op, Py_ssize_t at, Node left, Node right, bint bool_result, matching):
        cdef bint vectors = left.type is VECTOR and right.type is VECTOR
        cdef bint usual = _is_number(left) and _is_number(right) and op in check.ARITHMETIC and matching is PLAIN
        cdef Binary node = Binary.__new__(Binary)
        if bool_result or not (vectors and _is_one_to_one(matching) or usual):
            self.complain(next(check.binary(op, at, left, right, bool_result, matching), None))
        if op in check.SET_OPERATORS:
            matching = ALL_TO_ALL if matching is PLAIN else matching.paired(Cardinality.MANY_TO_MANY)
        node.op, node.left, node.right, node.bool_result = op, left, right, bool_result
        node.matching = matching if vectors else None
        node.type = SCALAR if left.type is SCALAR and right.type is SCALAR else VECTOR
        self.stand(node, left.start)
        return node

    cdef Node unary(self):
        cdef Tokens cursor = self.cursor
        cdef str sign = cursor.kind
        cdef Py_ssize_t start = cursor.start
        cdef Number number
        cdef Unary node
        cursor.step()
        cdef Node expr = self.expression(None, POWER)
        if isinstance(expr, Number):
            number = Number.__new__(Number)
            number.value, number.duration = (<Number>expr).value, (<Number>expr).duration
            if sign == "-":
                number.value = -number.value
            number.stand(start, expr.end)
            return number
        self.complain(check.unary(start, expr))
        node = Unary.__new__(Unary)
        node.op, node.expr, node.type = sign, expr, expr.type
        self.stand(node, start)
        return node

    # --- operands -----------------------------------------------------------------------------------------------------

    cdef Node operand(self):
        """What stands between operators, with the modifiers behind it."""
        cdef Tokens cursor = self.cursor
        cdef str kind = cursor.kind
        cdef Py_ssize_t start = cursor.start
        cdef Node expr
        if kind in METRIC_NAMES:
            expr = self.named(kind)
        elif kind in SECONDS:
            expr = self.number()
        elif kind in SIGNS:
            return self.unary()
        elif kind == "(":
            expr = self.parenthesised()
        elif kind == STRING:
            expr = Text.__new__(Text)
            (<Text>expr).value = string(cursor)
            cursor.step()
            self.stand(expr, start)
        elif kind == "{":
            expr = self.selector("", -1)
        else:
            raise cursor.stray()
        return self.behind(expr) if cursor.kind in BEHIND else expr

    cdef Number number(self):
        cdef Tokens cursor = self.cursor
        cdef Number node = Number.__new__(Number)
        cdef Py_ssize_t start = cursor.start
        node.value = cursor.plain_number()
        if node.value < 0:
            node.value = cursor.number()
        node.duration = cursor.kind == DURATION
        cursor.step()
        self.stand(node, start)
        return node

    cdef Paren parenthesised(self):
        cdef Paren node = Paren.__new__(Paren)
        cdef Py_ssize_t start = self.cursor.start
        self.cursor.step()
        node.expr = self.expression(None, 1)
        node.type = node.expr.type
        if not self.cursor.take(")"):
            raise self.cursor.stray()
        self.stand(node, start)
        return node

    cdef Node behind(self, Node expr):
        """`expr` with the brackets, offsets, `@` and extensions behind it."""
        cdef Tokens cursor = self.cursor
        cdef int modifiers = 0
        while cursor.kind in BEHIND:
            modifiers += 1
            if modifiers > MOST_IN_A_ROW:
                problem = f"more than {MOST_IN_A_ROW} modifiers in a row"
                raise Excess(problem, text=cursor.text, position=expr.start)
            expr = self.bracketed(expr) if cursor.kind == "[" else modified(cursor, expr)
        return expr

    cdef Node bracketed(self, Node expr):
        cdef Tokens cursor = self.cursor
        cdef Py_ssize_t bracket = cursor.start
        cdef VectorSelector selector
        cdef MatrixSelector ranged
        cdef Subquery over
        cdef bint subquery = False
        cdef double seconds = -1
        cursor.step()
        step = None
        if cursor.kind == DURATION and cursor.is_before(c']'):
            seconds = cursor.plain_number()
        if seconds > 0:
            reach = round(seconds * 1000)
            cursor.counted(cursor.start)
            cursor.step()
            cursor.step()
        else:
            reach, step, subquery = extents.brackets(cursor)
        if subquery:
            self.is_slow = True
            self.complain(check.subquery(expr))
            over = Subquery.__new__(Subquery)
            over.expr, over.range, over.step, over.offset = expr, reach, step, 0
            self.stand(over, expr.start)
            return over
        if not isinstance(expr, VectorSelector):
            raise cursor.error("ranges only allowed for vector selectors", bracket)
        selector = expr
        if isinstance(selector.offset, int) and selector.offset != 0:  # arithmetic may, and so may edges
            raise cursor.error("no offset modifiers allowed before range", bracket)
        if isinstance(selector.at, int):
            raise cursor.error("no @ modifiers allowed before range", bracket)
        ranged = MatrixSelector.__new__(MatrixSelector)
        ranged.selector, ranged.range = selector, reach
        self.stand(ranged, expr.start)
        return ranged

    cdef Node named(self, str kind):
        """An operand that begins with a word: a call, an aggregation or a selector."""
        cdef Tokens cursor = self.cursor
        cdef str name = cursor.piece
        cdef Py_ssize_t start = cursor.start
        cursor.step()
        if kind in AGGREGATIONS and (cursor.kind == "(" or cursor.kind == "by" or cursor.kind == "without"):
            return self.aggregation(kind, start)
        if cursor.kind == "(" and kind in CALLABLE_WORDS:
            return self.call(name if kind == IDENTIFIER else kind, start)
        return self.selector(name, start)

    cdef VectorSelector selector(self, str name, Py_ssize_t start):
        """A selector of series; its bare name, if there is one, has been taken when it is known where it stood."""
        cdef Tokens cursor = self.cursor
        cdef VectorSelector node = VectorSelector.__new__(VectorSelector)
        cdef list written
        if start < 0:
            start = cursor.start
            if cursor.kind in METRIC_NAMES:
                name = cursor.piece
                cursor.step()
        node.name = name
        if cursor.kind == "{":
            written = label_matchers(cursor)
            if not name or name_is_among(written):
                self.complain(check.selector(start, name, written))
            self.is_slow = self.is_slow or is_slow_to_match(name, written)
            node.matchers = tuple(written) + self.matchers_of(name) if name else tuple(written)
        else:
            node.matchers = self.matchers_of(name)
        self.stand(node, start)
        return node

    cdef tuple matchers_of(self, str name):
        """What a bare name stands for; one that comes again is not made again."""
        cdef PyObject *found
        if self.names is None:
            self.names = {}
        found = PyDict_GetItem(self.names, name)
        if found != NULL:
            return <tuple>found
        matchers = self.names[name] = name_matcher(name)
        return matchers

    cdef Call call(self, str function, Py_ssize_t start):
        cdef Call node = Call.__new__(Call)
        before = self.type_error
        cdef tuple args = self.arguments(before if function == "info" else None, function)
        signature = SIGNATURES.get(function)
        if signature is None:
            raise self.cursor.error(*check.unknown_function(function, start))
        if function == "info" or not _are_of(args, signature.args):
            self.complain_of(args, signature, start, before)
        node.function, node.args, node.type = function, args, signature.returns
        self.stand(node, start)
        return node

    cdef int complain_of(self, tuple args, signature, Py_ssize_t start, before) except -1:
        """Whatever is wrong with arguments that are not just those of the signature."""
        miscounted = check.argument_count(start, signature, args)
        if miscounted is not None:
            self.type_error = before  # Prometheus counts the arguments before it looks at them
            self.complain(miscounted)
        self.complain(next(check.arguments(signature, args), None))
        return 0

    cdef tuple arguments(self, before, str function):
        cdef Tokens cursor = self.cursor
        cdef list args = []
        cdef Py_ssize_t comma
        cursor.step()
        if cursor.take(")"):
            return ()
        while True:
            args.append(self.expression(None, 1))
            if function == "info" and len(args) == 2 and isinstance(args[1], VectorSelector) and not args[1].name:
                self.type_error = before  # info() takes labels alone, which may all match nothing
            if cursor.take(")"):
                return tuple(args)
            comma = cursor.start
            if not cursor.take(","):
                raise cursor.stray()
            if cursor.kind == ODD:
                raise cursor.stray()
            if cursor.kind not in OPERANDS:
                raise cursor.error("trailing commas not allowed in function call args", comma)

    cdef Aggregation aggregation(self, str op, Py_ssize_t start):
        cdef Tokens cursor = self.cursor
        cdef Aggregation node = Aggregation.__new__(Aggregation)
        cdef tuple args
        cdef int wanted
        cursor.aggregations += 1
        if cursor.kind != "(":
            self.group(node)
        if cursor.kind != "(":
            raise cursor.stray()
        args = self.arguments(None, "")
        cursor.aggregations -= 1
        if node.grouping is None and cursor.kind in AFTER_AGGREGATIONS:
            self.group(node)
        if not args:
            raise cursor.error("no arguments for aggregate expression provided", start)
        wanted = 2 if op in PARAMETERS else 1
        if len(args) != wanted:
            problem = "wrong number of arguments for aggregate expression provided"
            raise cursor.error(f"{problem}, expected {wanted}, got {len(args)}", start)
        node.op, node.expr = op, args[wanted - 1]
        if wanted == 2:
            node.param = args[0]
        if node.param is not None or node.expr.type is not VECTOR:
            self.complain(next(check.aggregation(op, node.expr, node.param), None))
        if node.grouping is None:
            node.grouping = ()
        self.stand(node, start)
        return node

    cdef int group(self, Aggregation node) except -1:
        """Read `by` or `without` with its labels."""
        cdef Tokens cursor = self.cursor
        if cursor.kind == ODD:
            raise cursor.stray()
        node.without = cursor.kind == "without"
        cursor.step()
        node.grouping = grouping_labels(cursor)
        return 0


cdef inline int _rank(str kind) except -1:
    """How tightly an operator binds; 0 for what is none."""
    cdef PyObject *found = PyDict_GetItem(PRECEDENCE, kind)
    return 0 if found == NULL else <object>found


cdef bint _is_one_to_one(matching):
    """Whether nothing is wrong with this between two vectors, whatever the operator."""
    return matching is PLAIN or (
        matching.cardinality is ONE_TO_ONE and matching.fill_left is None and matching.fill_right is None
    )


cdef inline bint _is_number(Node node) noexcept:
    """Whether arithmetic is about this."""
    return node.type is SCALAR or node.type is VECTOR


cdef bint _are_of(tuple args, tuple types):
    cdef Py_ssize_t place
    if len(args) != len(types):
        return False
    for place in range(len(args)):
        if (<Node>args[place]).type is not types[place]:
            return False
    return True
