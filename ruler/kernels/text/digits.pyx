"""Numbers as Prometheus's JSON has them: the fewest decimal digits that read back as the same double.

They are found as in R. Giulietti, "The Schubfach way to render doubles": of the multiples of the power of ten that is
just less than the space between two doubles, one or two lie nearer to this double than to any other. What is written
ends where the returned pointer points; up to NUMBER bytes from the first may be overwritten.
"""

from libc.math cimport fabs
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

cdef extern from *:
    """
    typedef unsigned __int128 product_t;
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define with_first_lowest(word) __builtin_bswap64(word)
    #else
    #define with_first_lowest(word) (word)
    #endif
    """
    ctypedef unsigned long long product_t  # of two numbers of 64 bits: it has 128
    uint64_t with_first_lowest(uint64_t) noexcept nogil  # the word whose first byte in memory is the lowest of this one
    int __builtin_clzll(unsigned long long) noexcept nogil

cdef enum:
    LEAST_POWER = -292
    MOST_POWER = 324
    EIGHT_DIGITS = 100000000

cdef struct Power:
    # The first 128 bits of a power of ten, and one more than they are.
    uint64_t high, low

cdef struct Digits:
    # A number as 0.ddd × 10 ** point: `count` digits, with zeros behind, eight in a word from its lowest byte up.
    uint64_t words[3]
    int count, point

cdef Power POWERS[MOST_POWER - LEAST_POWER + 1]
cdef char PAIRS[200]  # 00 01 02 … 99
cdef uint64_t ZEROS = 0x3030303030303030
cdef uint64_t HALVES = 0x0000007F0000007F
cdef uint64_t QUARTERS = 0x000F000F000F000F
cdef uint64_t TEN_TO_15 = 1000000000000000
cdef double TWO_TO_53 = 9007199254740992.0


cdef _prepare():
    cdef object one = 1, ten = 10, power, shift  # Python's integers, which do not overflow
    cdef bytes pairs = b"".join([b"%02d" % pair for pair in range(100)])
    for power in range(LEAST_POWER, MOST_POWER + 1):
        shift = 127 - _log2_of_power(power)
        tens = ten ** abs(power)
        bits = (one << shift) // tens if power < 0 else (tens << 128) >> (128 - shift)
        high, low = divmod(bits + 1, one << 64)
        POWERS[power - LEAST_POWER] = Power(high, low)
    memcpy(PAIRS, <const char *>pairs, 200)


# --- the digits of a double -------------------------------------------------------------------------------------------

cdef inline int _log2_of_power(int power) noexcept nogil:
    """floor(log2(10 ** power))."""
    return (power * 1741647) >> 19


cdef inline int _log10_of_power(int power) noexcept nogil:
    """floor(log10(2 ** power))."""
    return (power * 1262611) >> 22


cdef inline int _log10_of_less(int power) noexcept nogil:
    """floor(log10(3/4 * 2 ** power))."""
    return (power * 1262611 - 524031) >> 22


cdef inline uint64_t _scaled(const Power *power, uint64_t factor) noexcept nogil:
    """The whole part of a product, its last bit set where there is a rest that is more than the power is too large."""
    cdef uint64_t below = <uint64_t>((<product_t>power.low * factor) >> 64)
    cdef product_t above = <product_t>power.high * factor + below
    return <uint64_t>(above >> 64) | (<uint64_t>above > 1)


cdef inline uint64_t _shortest(uint64_t fraction, int exponent, int *power) noexcept nogil:
    """The number that, times ten to the `power`, is the shortest for a double of these bits, and the nearest of those.

    It may end with zeros. That of a normal double has 16 digits or 17, that of a subnormal one may have fewer.
    """
    cdef bint uneven = fraction == 0 and exponent > 1  # the double below is half as far away as the one above
    cdef uint64_t whole = fraction | <uint64_t>(exponent > 0) << 52
    cdef int binary = exponent + (exponent == 0) - 1075
    cdef int decimal = _log10_of_less(binary) if uneven else _log10_of_power(binary)
    cdef int shift = binary + _log2_of_power(-decimal) + 1
    cdef const Power *scale = &POWERS[-decimal - LEAST_POWER]
    # Four times the double, and the middles between it and its neighbours, which belong to it if it is even.
    cdef uint64_t odd = whole & 1
    cdef uint64_t least = _scaled(scale, (4 * whole - 2 + uneven) << shift) + odd
    cdef uint64_t here = _scaled(scale, (4 * whole) << shift)
    cdef uint64_t most = _scaled(scale, (4 * whole + 2) << shift) - odd
    cdef uint64_t below = here // 4, tens = below // 10 * 10
    cdef bint above_tens = 4 * tens + 40 <= most, one_of_tens = (least <= 4 * tens) != above_tens
    cdef bint above = 4 * below + 4 <= most, one = (least <= 4 * below) != above
    cdef bint nearer = here + (below & 1) > 4 * below + 2  # of two that are as near the even one
    power[0] = decimal
    return _either(one_of_tens, tens + 10 * above_tens, below + _either(one, above, nearer))


cdef inline uint64_t _either(bint first, uint64_t one, uint64_t other) noexcept nogil:
    """The first or the other: without a branch, which here no processor could foretell."""
    return other ^ ((one ^ other) & -<uint64_t>first)


cdef inline uint64_t _eight(uint64_t number) noexcept nogil:
    """The eight digits of a number, the first in the lowest byte."""
    cdef uint64_t tops
    number = number // 10000 | (number % 10000) << 32
    tops = ((number * 10486) >> 20) & HALVES
    number = tops | (number - 100 * tops) << 16
    tops = ((number * 103) >> 10) & QUARTERS
    return tops | (number - 10 * tops) << 8


cdef inline int _used(uint64_t digits) noexcept nogil:
    """How many of eight digits there are up to the last that is not zero."""
    return 8 - __builtin_clzll(digits) // 8 if digits else 0


cdef inline Digits _digits(uint64_t fraction, int exponent) noexcept nogil:
    """The digits of a double of these bits that is neither zero nor infinite."""
    cdef Digits digits
    cdef uint64_t number = _shortest(fraction, exponent, &digits.point), high, first, middle, last
    cdef int more
    while number < TEN_TO_15:
        number *= 10
        digits.point -= 1
    high = number // EIGHT_DIGITS
    first, middle, last = high // EIGHT_DIGITS, _eight(high % EIGHT_DIGITS), _eight(number % EIGHT_DIGITS)
    digits.count = 8 + _used(last) if last else _used(middle)
    more = first > 0
    digits.count += more
    digits.point += 16 + more
    digits.words[0] = middle << 8 * more | first | ZEROS
    digits.words[1] = last << 8 * more | middle >> 1 >> (63 - 8 * more) | ZEROS
    digits.words[2] = last >> 1 >> (63 - 8 * more) | ZEROS
    return digits


# --- their text -------------------------------------------------------------------------------------------------------

cdef inline void _store(char *at, uint64_t word) noexcept nogil:
    word = with_first_lowest(word)
    memcpy(at, &word, 8)


cdef inline void _store_digits(char *at, const Digits *digits) noexcept nogil:
    _store(at, digits.words[0])
    _store(at + 8, digits.words[1])
    _store(at + 16, digits.words[2])


cdef inline char *_store_with_point(char *at, const Digits *digits, int place) noexcept nogil:
    """Write digits with a point after the first few, fewer than eight, if more follow."""
    cdef uint64_t before = (<uint64_t>1 << (8 * place)) - 1
    cdef uint64_t word = digits.words[0]
    _store(at, (word & before) | <uint64_t>46 << (8 * place) | (word & ~before) << 8)
    _store(at + 8, digits.words[1] << 8 | word >> 56)
    _store(at + 16, digits.words[2] << 8 | digits.words[1] >> 56)
    return at + (digits.count + 1 if digits.count > place else place)


cdef char *write_number(char *at, double value) noexcept nogil:
    """A sample's value: with an exponent below 1e-6 and from 1e21 on, without a point where it is whole."""
    cdef uint64_t bits = (<uint64_t *>&value)[0]
    cdef uint64_t fraction = bits & ((<uint64_t>1 << 52) - 1)
    cdef int exponent = (bits >> 52) & 0x7FF
    cdef Digits digits
    if exponent == 0x7FF and fraction:
        memcpy(at, b"NaN", 3)
        return at + 3
    at[0] = c"-" if <bint>(bits >> 63) else c"+"
    if exponent == 0x7FF:
        memcpy(at + 1, b"Inf", 3)
        return at + 4
    at += bits >> 63
    value = fabs(value)
    if value < TWO_TO_53 and <double><int64_t>value == value:
        return _write_whole(at, <uint64_t>value)
    digits = _digits(fraction, exponent)
    if 0 < digits.point < 8:
        return _store_with_point(at, &digits, digits.point)
    if not -6 < digits.point <= 21:
        return _write_exponent(_store_with_point(at, &digits, 1), digits.point - 1)
    if digits.point <= 0:
        memcpy(at, b"0.00000", 7)
        _store_digits(at + 2 - digits.point, &digits)
        return at + 2 - digits.point + digits.count
    _store_digits(at, &digits)
    if digits.count <= digits.point:
        return at + digits.point
    memmove(at + digits.point + 1, at + digits.point, digits.count - digits.point)
    at[digits.point] = c"."
    return at + digits.count + 1


cdef char *_write_exponent(char *at, int exponent) noexcept nogil:
    at[0] = c"e"
    at[1] = c"-" if exponent < 0 else c"+"
    exponent = abs(exponent)
    if exponent >= 100:
        at[2] = <char>(48 + exponent // 100)
        at += 1
    memcpy(at + 2, &PAIRS[exponent % 100 * 2], 2)
    return at + 4


cdef inline char *_write_whole(char *at, uint64_t number) noexcept nogil:
    """A number below ten to the 18th."""
    cdef char text[18]
    cdef int first = 18
    while number >= 10:
        first -= 2
        memcpy(&text[first], &PAIRS[number % 100 * 2], 2)
        number //= 100
    if number or first == 18:
        first -= 1
        text[first] = <char>(48 + number)
    memcpy(at, &text[first], 18 - first)
    return at + (18 - first)


cdef char *write_seconds(char *at, int64_t time) noexcept nogil:
    """A time (ms) in seconds, with three decimals where it is not whole."""
    cdef uint64_t size = <uint64_t>time
    cdef uint32_t rest
    if time < 0:
        at[0] = c"-"
        at += 1
        size = 0 - size
    at = _write_whole(at, size // 1000)
    rest = <uint32_t>(size % 1000)
    if rest:
        at[0] = c"."
        at[1] = <char>(48 + rest // 100)
        memcpy(at + 2, &PAIRS[rest % 100 * 2], 2)
        at += 4
    return at


def number(double value):
    """A sample's value as bytes."""
    cdef char text[NUMBER]
    cdef char *end = write_number(text, value)
    return text[:end - text]


def seconds(int64_t time):
    """A time (ms) as bytes."""
    cdef char text[NUMBER]
    cdef char *end = write_seconds(text, time)
    return text[:end - text]


_prepare()
