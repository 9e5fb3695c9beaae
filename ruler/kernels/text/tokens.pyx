"""Query text to tokens, one at a time as the parser asks. Words mean different things in the open, in {} and in [].

A token is its kind, its text and where it starts. Its kind is that text in lower case where it is fixed (`sum`, `<=`),
else one of the kinds below. A mistake is a token of kind ODD: nobody may ever get there. Every character is looked at
a few times at most, whatever the text.
"""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_Substring
from libc.stdint cimport int64_t

from ruler.kernels.text.characters cimport (
    NOTHING,
    Text,
    char_at,
    is_alphanumeric,
    is_digit,
    is_letter,
    is_no_text,
    is_quote,
    is_space,
)
from ruler.kernels.text.spelling cimport IS_DURATION, IS_NUMBER, IS_WRONG, Spelling, escape, spelled

IDENTIFIER = "identifier"
METRIC_IDENTIFIER = "metric identifier"
STRING = "string"
NUMBER = "number"
DURATION = "duration"
END = "end of input"
ODD = "odd"

cdef dict IN_BRACKETS = {word: word for word in ("step", "range", "min", "max", "min_of", "max_of")}

cdef enum:
    MOST = 10_000
    SHOWN = 20  # characters of a number that is too long
    SHORT = 9  # characters of a number that is plain
    DAY = 86_400

MOST_PARTS = MOST


cdef class Tokens:
    """Tokens walk over one query; they know which brackets are open, for they decide what a word is.

    `kind`, `piece` and `start` are those of the next token, `end` is that of the last one taken. What is wrong with an
    ODD token is the `problem`; where that is empty, it has to be looked at. `parts` are the nodes that tokens became.
    """

    def __init__(self, str text not None, dict words not None, frozenset called not None):
        """`words` are the kinds of words that have one; those of them that are `called` only before a parenthesis."""
        self.text, self.words, self.called = text, words, called
        self.source = Text(PyUnicode_KIND(text), PyUnicode_DATA(text), len(text))
        self.problem = ""
        self.advance()

    def advance(self):
        """Take the next token."""
        self.step()

    cdef int step(self) except -1:
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
        return 0

    def accept(self, str kind):
        """Take the next token if it is of this kind."""
        return self.take(kind)

    cdef bint take(self, str kind) except -1:
        if self.kind != kind:
            return False
        self.step()
        return True

    def node(self, Py_ssize_t start):
        """From `start` to the last token taken: where a node stands, which is counted."""
        self.counted(start)
        return start, self.end

    cdef int counted(self, Py_ssize_t start) except -1:
        """Count a node, or what is as much."""
        self.parts += 1
        if self.parts > MOST:
            self.count(0, start)
        return 0

    cdef double plain_number(self) noexcept:
        """The value of the next token, if it is a short number in decimal digits or a short duration; else -1."""
        cdef Py_ssize_t at = self.start
        cdef Py_UCS4 first = self._at(at), unit
        cdef int64_t number = 0
        if self.stop - at > SHORT:
            return -1
        while at < self.stop and is_digit(self._at(at)):
            number = 10 * number + <int64_t>self._at(at) - 48
            at += 1
        if at == self.stop:
            return number if first != c'0' or at - self.start == 1 else -1
        unit = self._at(at)
        if self.stop - at == 2 and unit == c'm' and self._at(at + 1) == c's':
            return number / 1000.0
        if self.stop - at != 1 or unit not in "smhdw":
            return -1
        return number * (1 if unit == c's' else 60 if unit == c'm' else 3_600 if unit == c'h' else DAY)\
            * (7 if unit == c'w' else 1)

    cdef bint is_before(self, Py_UCS4 char) noexcept:
        """Whether this character comes behind the next token."""
        return self._at(self._after_blanks(self.stop)) == char

    # --- where words stand --------------------------------------------------------------------------------------------

    cdef int _in_the_open(self, Py_UCS4 char, Py_ssize_t start) except -1:
        if is_letter(char) or char == c':':
            self._word(start)
        elif self._begins_number(char, start):
            self._number(start)
        elif is_quote(char):
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

    cdef int _operator(self, Py_UCS4 char, Py_ssize_t start) except -1:
        """What stands between operands."""
        cdef Py_UCS4 after = self._at(start + 1)
        cdef bint doubled = after == c'=' and (char == c'=' or char == c'!' or char == c'<' or char == c'>')
        if doubled or after == c'/' and (char == c'<' or char == c'>'):
            self._fixed(start, 2)
        elif char not in "+-*/%^<>,@=" or char == c'=' and after == c'~':
            self._mistake("", start)
        else:
            self._fixed(start, 1)

    cdef int _in_braces(self, Py_UCS4 char, Py_ssize_t start) except -1:
        cdef Py_UCS4 after = self._at(start + 1)
        cdef Py_ssize_t stop = start + 1
        if is_letter(char):
            while is_alphanumeric(self._at(stop)):
                stop += 1
            self._take(IDENTIFIER, start, stop)
        elif is_quote(char):
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

    cdef int _in_brackets(self, Py_UCS4 char, Py_ssize_t start) except -1:
        """Arithmetic on durations; what is none is a token after the first one, for the parser to complain of."""
        if self._begins_number(char, start):
            self.after_duration = True
            self._number(start)
        elif is_letter(char):
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
        elif is_quote(char):
            self._string(char, start)
        else:
            self._operator(char, start)

    cdef int _parenthesis(self, Py_UCS4 char, Py_ssize_t start) except -1:
        self.parentheses += 1 if char == c'(' else -1
        if self.parentheses < 0:
            self._mistake("unexpected right parenthesis ')'", start + 1)
        else:
            self._fixed(start, 1)

    cdef int _colon(self, Py_ssize_t start) except -1:
        if not self.after_duration:
            self._mistake("unexpected colon before duration in duration expression", start + 1)
        elif self.after_colon:
            self._mistake("unexpected colon ':'", start)
        else:
            self.after_colon = True
            self._fixed(start, 1)

    cdef int _finish(self) except -1:
        if self.in_braces:
            self._mistake("unexpected end of input inside braces", self.source.length)
        elif self.in_brackets and not self.after_duration:
            self._mistake("unexpected end of input in duration expression", self.source.length)
        elif self.parentheses:
            self._mistake("unclosed left parenthesis", self.source.length)
        elif self.in_brackets:
            self._mistake("unclosed left bracket", self.source.length)
        else:
            self._take(END, self.source.length, self.source.length)

    # --- tokens -------------------------------------------------------------------------------------------------------

    cdef int _word(self, Py_ssize_t start) except -1:
        cdef Py_ssize_t stop = start
        cdef bint metric = False, capital = False
        cdef Py_UCS4 char = self._at(start)
        while is_alphanumeric(char) or char == c':':
            metric = metric or char == c':'
            capital = capital or c'A' <= char <= c'Z'
            stop += 1
            char = self._at(stop)
        self._take(METRIC_IDENTIFIER if metric else IDENTIFIER, start, stop)
        kind = self.words.get(self.piece.lower() if capital else self.piece)
        if kind is not None and (kind not in self.called or self._before_parenthesis(stop)):
            self.kind = kind

    cdef bint _before_parenthesis(self, Py_ssize_t at) noexcept:
        while is_space(self._at(at)):
            at += 1
        return self._at(at) == c'('

    cdef int _word_in_brackets(self, Py_ssize_t start) except -1:
        cdef Py_ssize_t stop = start
        while is_letter(self._at(stop)):
            stop += 1
        cdef str kind = IN_BRACKETS.get(PyUnicode_Substring(self.text, start, stop).lower()) if stop - start < 8 else None
        if kind is None:
            self._mistake("", start)
        else:
            self._take(kind, start, stop)

    cdef int _string(self, Py_UCS4 mark, Py_ssize_t start) except -1:
        cdef Py_ssize_t at = start + 1, length
        cdef Py_UCS4 char = self._at(at)
        while char != mark:
            if is_no_text(char):
                return self._mistake("invalid UTF-8 rune", start)
            if char == NOTHING or char == c'\n' and mark != c'`':
                return self._mistake(
                    "unterminated raw string" if mark == c'`' else "unterminated quoted string", start
                )
            if char == c'\\' and mark != c'`':
                length = escape(&self.source, mark, at + 1)
                if not length:
                    return self._mistake("", start)
                at += length
            at += 1
            char = self._at(at)
        self._take(STRING, start, at + 1)

    # --- numbers ------------------------------------------------------------------------------------------------------

    cdef inline bint _begins_number(self, Py_UCS4 char, Py_ssize_t at) noexcept:
        return is_digit(char) or char == c'.' and is_digit(self._at(at + 1))

    cdef int _number(self, Py_ssize_t start) except -1:
        """The number or the duration that starts here, or the complaint about what is neither."""
        cdef Py_ssize_t stop
        cdef Spelling spelling = spelled(&self.source, start, &stop)
        if spelling == IS_NUMBER:
            self._take(NUMBER, start, stop)
        elif spelling == IS_DURATION:
            self._take(DURATION, start, stop)
        else:
            ending = "" if spelling == IS_WRONG else "..."
            shown = PyUnicode_Substring(self.text, start, stop if spelling == IS_WRONG else start + SHOWN)
            self._mistake(f'bad number or duration syntax: "{shown}"{ending}', start)

    # --- characters ---------------------------------------------------------------------------------------------------

    cdef inline Py_UCS4 _at(self, Py_ssize_t at) noexcept:
        """The character at a place, or NOTHING."""
        return char_at(&self.source, at)

    cdef Py_ssize_t _after_blanks(self, Py_ssize_t at) noexcept:
        """Where spaces and comments end."""
        while True:
            while is_space(self._at(at)):
                at += 1
            if self._at(at) != c'#':
                return at
            while self._at(at) != c'\n' and self._at(at) != c'\r' and at < self.source.length:
                at += 1

    cdef inline int _take(self, str kind, Py_ssize_t start, Py_ssize_t stop) except -1:
        self.kind, self.piece, self.stop = kind, PyUnicode_Substring(self.text, start, stop), stop

    cdef inline int _fixed(self, Py_ssize_t start, Py_ssize_t length) except -1:
        """A token that is its kind."""
        self.stop = start + length
        self.kind = self.piece = PyUnicode_Substring(self.text, start, self.stop)

    cdef int _mistake(self, str problem, Py_ssize_t start) except -1:
        self.kind, self.piece, self.problem, self.start = ODD, "", problem, start
