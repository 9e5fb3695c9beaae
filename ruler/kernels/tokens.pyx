"""Query text to tokens, one at a time as the parser asks. Words mean different things in the open, in {} and in [].

A token is its kind, its text and where it starts. Its kind is that text in lower case where it is fixed (`sum`, `<=`),
else one of the kinds below. A mistake is a token of kind ODD: nobody may ever get there. Every character is looked at
a few times at most, whatever the text.
"""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ, PyUnicode_Substring

IDENTIFIER = "identifier"
METRIC_IDENTIFIER = "metric identifier"
STRING = "string"
NUMBER = "number"
DURATION = "duration"
END = "end of input"
ODD = "odd"

cdef dict IN_BRACKETS = {word: word for word in ("step", "range", "min", "max", "min_of", "max_of")}

cdef enum:
    NOTHING = 0x110000  # what stands beyond the end: no character
    LONGEST = 1000  # characters of a number, of a duration too
    MOST = 10_000
    MOST_UNITS = 64  # of a duration that is read as it is

MOST_PARTS = MOST


cdef inline bint _is_digit(Py_UCS4 char) noexcept:
    return c'0' <= char <= c'9'


cdef inline bint _is_letter(Py_UCS4 char) noexcept:
    """Whether a word may begin so."""
    return c'a' <= char <= c'z' or c'A' <= char <= c'Z' or char == c'_'


cdef inline bint _is_alphanumeric(Py_UCS4 char) noexcept:
    return _is_letter(char) or _is_digit(char)


cdef inline bint _is_hexadecimal(Py_UCS4 char) noexcept:
    return _is_digit(char) or c'a' <= char <= c'f' or c'A' <= char <= c'F'


cdef inline unsigned int _digit(unsigned int char) noexcept:
    """The value of a hexadecimal digit."""
    return (char & 0xF) + (9 if char > c'9' else 0)


cdef inline bint _is_quote(Py_UCS4 char) noexcept:
    return char in "\"'`"


cdef inline bint _is_unit(Py_UCS4 char) noexcept:
    return char in "smhdwy"


cdef inline bint _is_no_text(Py_UCS4 char) noexcept:
    """Whether a character stands for bytes that were no UTF-8."""
    return char == 0xFFFD or 0xD800 <= char <= 0xDFFF


cdef class Tokens:
    """Tokens walk over one query; they know which brackets are open, for they decide what a word is.

    `kind`, `piece` and `start` are those of the next token, `end` is that of the last one taken. What is wrong with an
    ODD token is the `problem`; where that is empty, it has to be looked at. `parts` are the nodes that tokens became.
    """

    cdef readonly str text, kind, piece, problem
    cdef readonly Py_ssize_t start, end
    cdef readonly bint in_braces, in_brackets
    cdef readonly bint after_duration  # in [], after the first number
    cdef public Py_ssize_t parts
    cdef dict words
    cdef frozenset called
    cdef int width
    cdef void *data
    cdef Py_ssize_t length, stop
    cdef Py_ssize_t parentheses
    cdef bint after_colon

    def __init__(self, str text not None, dict words not None, frozenset called not None):
        """`words` are the kinds of words that have one; those of them that are `called` only before a parenthesis."""
        self.text, self.words, self.called = text, words, called
        self.width, self.data, self.length = PyUnicode_KIND(text), PyUnicode_DATA(text), len(text)
        self.problem = ""
        self.advance()

    cpdef advance(self):
        """Take the next token."""
        self.end = self.stop
        cdef Py_ssize_t start = self._after_blanks(self.stop)
        cdef Py_UCS4 char = self._at(start)
        self.start = start
        if char == NOTHING:
            self._finish()
        elif self.in_braces:
            self._in_braces(char, start)
        elif self.in_brackets:
            self._in_brackets(char, start)
        else:
            self._in_the_open(char, start)

    cpdef bint accept(self, str kind):
        """Take the next token if it is of this kind."""
        if self.kind != kind:
            return False
        self.advance()
        return True

    def node(self, Py_ssize_t start):
        """From `start` to the last token taken: where a node stands, which is counted."""
        self.parts += 1
        if self.parts > MOST:
            self.count(0, start)
        return start, self.end

    # --- where words stand --------------------------------------------------------------------------------------------

    cdef _in_the_open(self, Py_UCS4 char, Py_ssize_t start):
        if _is_letter(char) or char == c':':
            self._word(start)
        elif self._begins_number(char, start):
            self._number(start)
        elif _is_quote(char):
            self._string(char, start)
        elif char == c'(' or char == c')':
            self._parenthesis(char, start)
        elif char == c'{':
            self.in_braces = True
            self._fixed(start, 1)
        elif char == c'[':
            self.in_brackets, self.after_duration, self.after_colon = True, False, False
            self._fixed(start, 1)
        elif char == c']':
            self._mistake("unexpected right bracket ']'", start)
        else:
            self._operator(char, start)

    cdef _operator(self, Py_UCS4 char, Py_ssize_t start):
        """What stands between operands."""
        cdef Py_UCS4 after = self._at(start + 1)
        cdef bint doubled = after == c'=' and (char == c'=' or char == c'!' or char == c'<' or char == c'>')
        if doubled or after == c'/' and (char == c'<' or char == c'>'):
            self._fixed(start, 2)
        elif char not in "+-*/%^<>,@=" or char == c'=' and after == c'~':
            self._mistake("", start)
        else:
            self._fixed(start, 1)

    cdef _in_braces(self, Py_UCS4 char, Py_ssize_t start):
        cdef Py_UCS4 after = self._at(start + 1)
        cdef Py_ssize_t stop = start + 1
        if _is_letter(char):
            while _is_alphanumeric(self._at(stop)):
                stop += 1
            self._take(IDENTIFIER, start, stop)
        elif _is_quote(char):
            self._string(char, start)
        elif after == c'~' and (char == c'=' or char == c'!') or after == c'=' and char == c'!':
            self._fixed(start, 2)
        elif char == c'=' or char == c',':
            self._fixed(start, 1)
        elif char == c'}':
            self.in_braces = False
            self._fixed(start, 1)
        else:
            self._mistake("", start)

    cdef _in_brackets(self, Py_UCS4 char, Py_ssize_t start):
        """Arithmetic on durations; what is none is a token after the first one, for the parser to complain of."""
        if self._begins_number(char, start):
            self.after_duration = True
            self._number(start)
        elif _is_letter(char):
            self._word_in_brackets(start)
        elif char == c']':
            self.in_brackets = False
            self._fixed(start, 1)
        elif char == c':':
            self._colon(start)
        elif char == c'(' or char == c')':
            self._parenthesis(char, start)
        elif char in "+-*/%^,":
            self._fixed(start, 1)
        elif not self.after_duration:
            self._mistake("", start)
        elif char == c'[':
            self._mistake("unexpected left bracket '['", start)
        elif char == c'{':
            self._fixed(start, 1)
        elif _is_quote(char):
            self._string(char, start)
        else:
            self._operator(char, start)

    cdef _parenthesis(self, Py_UCS4 char, Py_ssize_t start):
        self.parentheses += 1 if char == c'(' else -1
        if self.parentheses < 0:
            self._mistake("unexpected right parenthesis ')'", start + 1)
        else:
            self._fixed(start, 1)

    cdef _colon(self, Py_ssize_t start):
        if not self.after_duration:
            self._mistake("unexpected colon before duration in duration expression", start + 1)
        elif self.after_colon:
            self._mistake("unexpected colon ':'", start)
        else:
            self.after_colon = True
            self._fixed(start, 1)

    cdef _finish(self):
        if self.in_braces:
            self._mistake("unexpected end of input inside braces", self.length)
        elif self.in_brackets and not self.after_duration:
            self._mistake("unexpected end of input in duration expression", self.length)
        elif self.parentheses:
            self._mistake("unclosed left parenthesis", self.length)
        elif self.in_brackets:
            self._mistake("unclosed left bracket", self.length)
        else:
            self._take(END, self.length, self.length)

    # --- tokens -------------------------------------------------------------------------------------------------------

    cdef _word(self, Py_ssize_t start):
        cdef Py_ssize_t stop = start
        cdef bint metric = False, capital = False
        cdef Py_UCS4 char = self._at(start)
        while _is_alphanumeric(char) or char == c':':
            metric = metric or char == c':'
            capital = capital or c'A' <= char <= c'Z'
            stop += 1
            char = self._at(stop)
        self._take(METRIC_IDENTIFIER if metric else IDENTIFIER, start, stop)
        kind = self.words.get(self.piece.lower() if capital else self.piece)
        if kind is not None and (kind not in self.called or self._before_parenthesis(stop)):
            self.kind = kind

    cdef bint _before_parenthesis(self, Py_ssize_t at) noexcept:
        while self._is_space(self._at(at)):
            at += 1
        return self._at(at) == c'('

    cdef _word_in_brackets(self, Py_ssize_t start):
        cdef Py_ssize_t stop = start
        while _is_letter(self._at(stop)):
            stop += 1
        cdef str kind = IN_BRACKETS.get(PyUnicode_Substring(self.text, start, stop).lower()) if stop - start < 8 else None
        if kind is None:
            self._mistake("", start)
        else:
            self._take(kind, start, stop)

    cdef _string(self, Py_UCS4 mark, Py_ssize_t start):
        cdef Py_ssize_t at = start + 1, escape
        cdef Py_UCS4 char = self._at(at)
        while char != mark:
            if _is_no_text(char):
                self._mistake("invalid UTF-8 rune", start)
                return
            if char == NOTHING or char == c'\n' and mark != c'`':
                self._mistake("unterminated raw string" if mark == c'`' else "unterminated quoted string", start)
                return
            if char == c'\\' and mark != c'`':
                escape = self._escape(mark, at + 1)
                if not escape:
                    self._mistake("", start)
                    return
                at += escape
            at += 1
            char = self._at(at)
        self._take(STRING, start, at + 1)

    cdef Py_ssize_t _escape(self, Py_UCS4 mark, Py_ssize_t at) noexcept:
        """How many characters stand after a backslash, whose letter is at `at`; 0 where that is no escape of Go."""
        cdef Py_UCS4 char = self._at(at)
        cdef Py_ssize_t digits
        cdef unsigned long code = 0
        if char == mark or char in "abfnrtv\\":
            return 1
        if c'0' <= char <= c'3':
            return 3 if c'0' <= self._at(at + 1) <= c'7' and c'0' <= self._at(at + 2) <= c'7' else 0
        digits = 2 if char == c'x' else 4 if char == c'u' else 8 if char == c'U' else 0
        for place in range(at + 1, at + 1 + digits):
            char = self._at(place)
            if not _is_hexadecimal(char):
                return 0
            code = code << 4 | _digit(char)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            return 0
        return digits + 1 if digits else 0

    # --- numbers ------------------------------------------------------------------------------------------------------

    cdef inline bint _begins_number(self, Py_UCS4 char, Py_ssize_t at) noexcept:
        return _is_digit(char) or char == c'.' and _is_digit(self._at(at + 1))

    cdef _number(self, Py_ssize_t start):
        """The number or the duration that starts here, or the complaint about what is neither."""
        cdef Py_ssize_t stop
        cdef bint right = False
        if self._plain_number(start, &stop):
            self._limited(NUMBER, start, stop)
        elif self._plain_duration(start, &stop):
            self._limited(DURATION, start, stop)
        elif self._is_endless(start):
            self._endless(start)
        elif self._odd_number(start, &stop):
            self._take(NUMBER, start, stop)
        elif self._odd_duration(&stop):
            self._take(DURATION, start, stop)
        else:
            shown = PyUnicode_Substring(self.text, start, stop)
            self._mistake(f'bad number or duration syntax: "{shown}"', start)

    cdef _limited(self, str kind, Py_ssize_t start, Py_ssize_t stop):
        if stop - start > LONGEST:
            self._endless(start)
        else:
            self._take(kind, start, stop)

    cdef bint _is_endless(self, Py_ssize_t start) noexcept:
        cdef Py_ssize_t at
        for at in range(start, start + LONGEST + 1):
            if not (_is_alphanumeric(self._at(at)) or self._at(at) == c'.'):
                return False
        return True

    cdef _endless(self, Py_ssize_t start):
        shown = PyUnicode_Substring(self.text, start, start + 20)
        self._mistake(f'bad number or duration syntax: "{shown}"...', start)

    cdef bint _plain_number(self, Py_ssize_t start, Py_ssize_t *stop) noexcept:
        """Whether a decimal number stands here, and where it ends."""
        cdef Py_ssize_t at = self._after_digits(start), exponent
        if self._at(at) == c'.':
            at = self._after_digits(at + 1)
        if self._at(at) in "eE":
            exponent = at + 1
            if self._at(exponent) in "+-":
                exponent += 1
            if not _is_digit(self._at(exponent)):
                return False
            at = self._after_digits(exponent)
        stop[0] = at
        return not _is_alphanumeric(self._at(at)) and self._at(at) != c'.'

    cdef bint _plain_duration(self, Py_ssize_t start, Py_ssize_t *stop) noexcept:
        """Whether numbers with units stand here, and where they end."""
        cdef Py_ssize_t at = start, unit
        cdef int units = 0
        while units < MOST_UNITS and _is_digit(self._at(at)):
            unit = self._after_digits(at)
            if not _is_unit(self._at(unit)):
                break
            at = unit + 1 + (self._at(unit) == c'm' and self._at(unit + 1) == c's')
            units += 1
        stop[0] = at
        return units > 0 and not _is_alphanumeric(self._at(at))

    cdef bint _odd_number(self, Py_ssize_t start, Py_ssize_t *stop) noexcept:
        """Whether a number in an odd form (hexadecimal, with `_`) stands here, and how far it looks like one.

        Follows scanNumber of Prometheus's lexer to the letter, `0x1ee` is refused and `1_000` is not: what one refuses
        the other must.
        """
        cdef Py_ssize_t at = start
        cdef Py_UCS4 char, after
        cdef bint hexadecimal = self._at(at) == c'0' and self._at(at + 1) in "xX"
        cdef bint had_point = False, had_exponent = False
        if hexadecimal:
            at += 2
            at += self._at(at) == c'_'
        elif self._at(at) == c'.':
            at += 1
        at += _is_hexadecimal(self._at(at)) if hexadecimal else _is_digit(self._at(at))
        while True:
            char, after = self._at(at), self._at(at + 1)
            stop[0] = at + 1
            if char == c'.':
                if had_point:
                    return False
                had_point = True
                if after == c'_' or after == c'.':
                    stop[0] += 1
                    return False
                if hexadecimal:
                    return False
                at += 1
            elif char == c'e' or char == c'E':
                if had_exponent:
                    return False
                had_exponent = True
                at += 1 + (after == c'+' or after == c'-')
                if not self._goes_on(at, stop):
                    return False
            elif char == c'_':
                at += 1
                if not self._goes_on(at, stop):
                    return False
            elif _is_digit(char) or hexadecimal and _is_hexadecimal(char):
                at += 1
                while _is_digit(self._at(at)) or hexadecimal and _is_hexadecimal(self._at(at)):
                    at += 1
            else:
                stop[0] = at
                return not _is_alphanumeric(char)

    cdef bint _goes_on(self, Py_ssize_t at, Py_ssize_t *stop) noexcept:
        """Whether a digit may stand here, or else where what was read so far ends."""
        cdef Py_UCS4 char = self._at(at)
        if char == NOTHING:
            stop[0] = at
            return False
        if char == c'.' or char == c'_' or char == c'e' or char == c'E':
            stop[0] = at + 1
            return False
        return True

    cdef bint _odd_duration(self, Py_ssize_t *stop) noexcept:
        """Whether units stand behind the digits that end here, as Prometheus's lexer takes them, and where they end."""
        cdef Py_ssize_t at = stop[0], after
        if not _is_unit(self._at(at)):
            return False
        at += 1 + (self._at(at + 1) == c's')
        while _is_digit(self._at(at)):
            after = self._after_digits(at)
            if not _is_unit(self._at(after)) or self._at(after) == c'y':
                break
            at = after + 1 + (self._at(after + 1) == c's')
        stop[0] = at
        if _is_alphanumeric(self._at(at)):
            stop[0] += 1
            return False
        return True

    # --- characters ---------------------------------------------------------------------------------------------------

    cdef inline Py_UCS4 _at(self, Py_ssize_t at) noexcept:
        """The character at a place, or NOTHING."""
        return PyUnicode_READ(self.width, self.data, at) if at < self.length else NOTHING

    cdef inline bint _is_space(self, Py_UCS4 char) noexcept:
        return char in " \t\n\r"

    cdef Py_ssize_t _after_blanks(self, Py_ssize_t at) noexcept:
        """Where spaces and comments end."""
        while True:
            while self._is_space(self._at(at)):
                at += 1
            if self._at(at) != c'#':
                return at
            while self._at(at) != c'\n' and self._at(at) != c'\r' and at < self.length:
                at += 1

    cdef inline Py_ssize_t _after_digits(self, Py_ssize_t at) noexcept:
        while _is_digit(self._at(at)):
            at += 1
        return at

    cdef inline _take(self, str kind, Py_ssize_t start, Py_ssize_t stop):
        self.kind, self.piece, self.stop = kind, PyUnicode_Substring(self.text, start, stop), stop

    cdef inline _fixed(self, Py_ssize_t start, Py_ssize_t length):
        """A token that is its kind."""
        self.stop = start + length
        self.kind = self.piece = PyUnicode_Substring(self.text, start, self.stop)

    cdef _mistake(self, str problem, Py_ssize_t start):
        self.kind, self.piece, self.problem, self.start = ODD, "", problem, start
