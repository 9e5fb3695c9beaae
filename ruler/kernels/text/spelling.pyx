"""How numbers, durations and the escapes of strings are spelled in a query, and where they end."""

from ruler.kernels.text.characters cimport (
    NOTHING,
    Text,
    after_digits,
    char_at,
    digit_of,
    is_alphanumeric,
    is_digit,
    is_hexadecimal,
    is_unit,
)

cdef enum:
    LONGEST = 1000  # characters of a number, of a duration too
    MOST_UNITS = 64  # of a duration that is read as it is


cdef Spelling spelled(const Text *text, Py_ssize_t start, Py_ssize_t *stop) noexcept:
    """What begins with a digit here, and where it ends."""
    if _plain_number(text, start, stop):
        return IS_NUMBER if stop[0] - start <= LONGEST else IS_ENDLESS
    if _plain_duration(text, start, stop):
        return IS_DURATION if stop[0] - start <= LONGEST else IS_ENDLESS
    if _is_endless(text, start):
        return IS_ENDLESS
    if _odd_number(text, start, stop):
        return IS_NUMBER
    return IS_DURATION if _odd_duration(text, stop) else IS_WRONG


cdef bint _is_endless(const Text *text, Py_ssize_t start) noexcept:
    cdef Py_ssize_t at
    for at in range(start, start + LONGEST + 1):
        if not (is_alphanumeric(char_at(text, at)) or char_at(text, at) == c'.'):
            return False
    return True


cdef bint _plain_number(const Text *text, Py_ssize_t start, Py_ssize_t *stop) noexcept:
    """Whether a decimal number stands here, and where it ends."""
    cdef Py_ssize_t at = after_digits(text, start), exponent
    if char_at(text, at) == c'.':
        at = after_digits(text, at + 1)
    if char_at(text, at) in "eE":
        exponent = at + 1
        if char_at(text, exponent) in "+-":
            exponent += 1
        if not is_digit(char_at(text, exponent)):
            return False
        at = after_digits(text, exponent)
    stop[0] = at
    return not is_alphanumeric(char_at(text, at)) and char_at(text, at) != c'.'


cdef bint _plain_duration(const Text *text, Py_ssize_t start, Py_ssize_t *stop) noexcept:
    """Whether numbers with units stand here, and where they end."""
    cdef Py_ssize_t at = start, unit
    cdef int units = 0
    while units < MOST_UNITS and is_digit(char_at(text, at)):
        unit = after_digits(text, at)
        if not is_unit(char_at(text, unit)):
            break
        at = unit + 1 + (char_at(text, unit) == c'm' and char_at(text, unit + 1) == c's')
        units += 1
    stop[0] = at
    return units > 0 and not is_alphanumeric(char_at(text, at))


cdef bint _odd_number(const Text *text, Py_ssize_t start, Py_ssize_t *stop) noexcept:
    """Whether a number in an odd form (hexadecimal, with `_`) stands here, and how far it looks like one.

    Follows scanNumber of Prometheus's lexer to the letter, `0x1ee` is refused and `1_000` is not: what one refuses
    the other must.
    """
    cdef Py_ssize_t at = start
    cdef Py_UCS4 char, after
    cdef bint hexadecimal = char_at(text, at) == c'0' and char_at(text, at + 1) in "xX"
    cdef bint had_point = False, had_exponent = False
    if hexadecimal:
        at += 2
        at += char_at(text, at) == c'_'
    elif char_at(text, at) == c'.':
        at += 1
    at += is_hexadecimal(char_at(text, at)) if hexadecimal else is_digit(char_at(text, at))
    while True:
        char, after = char_at(text, at), char_at(text, at + 1)
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
            if not _goes_on(text, at, stop):
                return False
        elif char == c'_':
            at += 1
            if not _goes_on(text, at, stop):
                return False
        elif is_digit(char) or hexadecimal and is_hexadecimal(char):
            at += 1
            while is_digit(char_at(text, at)) or hexadecimal and is_hexadecimal(char_at(text, at)):
                at += 1
        else:
            stop[0] = at
            return not is_alphanumeric(char)


cdef bint _goes_on(const Text *text, Py_ssize_t at, Py_ssize_t *stop) noexcept:
    """Whether a digit may stand here, or else where what was read so far ends."""
    cdef Py_UCS4 char = char_at(text, at)
    if char == NOTHING:
        stop[0] = at
        return False
    if char == c'.' or char == c'_' or char == c'e' or char == c'E':
        stop[0] = at + 1
        return False
    return True


cdef bint _odd_duration(const Text *text, Py_ssize_t *stop) noexcept:
    """Whether units stand behind the digits that end here, as Prometheus's lexer takes them, and where they end."""
    cdef Py_ssize_t at = stop[0], after
    if not is_unit(char_at(text, at)):
        return False
    at += 1 + (char_at(text, at + 1) == c's')
    while is_digit(char_at(text, at)):
        after = after_digits(text, at)
        if not is_unit(char_at(text, after)) or char_at(text, after) == c'y':
            break
        at = after + 1 + (char_at(text, after + 1) == c's')
    stop[0] = at
    if is_alphanumeric(char_at(text, at)):
        stop[0] += 1
        return False
    return True


cdef Py_ssize_t escape(const Text *text, Py_UCS4 mark, Py_ssize_t at) noexcept:
    """How many characters stand after a backslash, whose letter is at `at`; 0 where that is no escape of Go."""
    cdef Py_UCS4 char = char_at(text, at)
    cdef Py_ssize_t digits
    cdef unsigned long code = 0
    if char == mark or char in "abfnrtv\\":
        return 1
    if c'0' <= char <= c'3':
        return 3 if c'0' <= char_at(text, at + 1) <= c'7' and c'0' <= char_at(text, at + 2) <= c'7' else 0
    digits = 2 if char == c'x' else 4 if char == c'u' else 8 if char == c'U' else 0
    for place in range(at + 1, at + 1 + digits):
        char = char_at(text, place)
        if not is_hexadecimal(char):
            return 0
        code = code << 4 | digit_of(char)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return 0
    return digits + 1 if digits else 0
