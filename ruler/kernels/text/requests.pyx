"""Requests that are plain, as those for small queries nearly always are: a GET, or a POST of a form, with nothing in its
head that changes how it is read or how its answer is sent.

What is not known to be plain is left to a parser of all that HTTP is. A plain request is read by it in just this way.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memchr, memcmp, strlen

cdef enum Kind:
    OTHER = 0
    BEGUN = 1  # plain as far as it has come
    PLAIN = 2  # and whole, with nothing behind it

cdef struct Request:
    const char *path
    const char *path_end
    const char *target_end
    const char *body
    const char *end

cdef struct Head:
    # What the lines of a head say.
    bint posts
    bint has_form
    Py_ssize_t length  # of the body; -1 where it is not told

cdef enum:
    LONGEST_LENGTH = 5  # digits


def plain_request(bytes data not None):
    """The path, the query and the body of a plain request that is whole; None of all else."""
    cdef Request found
    if _read(data, &found) != PLAIN:
        return None
    cdef const char *query = found.path_end + (found.path_end < found.target_end)
    return (
        found.path[:found.path_end - found.path],
        query[:found.target_end - query],
        found.body[:found.end - found.body],
    )


def is_begun(bytes data not None):
    """Whether this is the beginning of a plain request."""
    cdef Request found
    return _read(data, &found) == BEGUN


cdef Kind _read(bytes data, Request *found) noexcept:
    cdef const char *at = PyBytes_AS_STRING(data)
    cdef const char *end = at + len(data)
    cdef const char *stop
    cdef Head head = Head(False, False, -1)
    cdef Kind kind = _method(&at, end, &head)
    if kind != PLAIN:
        return kind
    found.path = at
    while at < end and c'!' <= at[0] <= c'~' and at[0] != c'#':
        at += 1
    found.target_end = at
    found.path_end = <const char *>memchr(found.path, c'?', at - found.path)
    if found.path_end == NULL:
        found.path_end = at
    if at > found.path and found.path[0] != c'/':
        return OTHER
    kind = _expected(&at, end, b" HTTP/1.1\r\n")
    while kind == PLAIN:
        if at < end and at[0] == c'\r':
            kind = _expected(&at, end, b"\r\n")
            break
        stop = _end_of_line(at, end)
        if stop == NULL or stop == end:
            return OTHER if stop == NULL else BEGUN
        if not _is_plain_line(at, stop, &head):
            return OTHER
        at = stop
        kind = _expected(&at, end, b"\r\n")
    if kind != PLAIN:
        return kind
    if head.posts and not (head.has_form and head.length >= 0):
        return OTHER
    found.body, found.end = at, end
    if end - at < head.length:
        return BEGUN
    return PLAIN if end - at == max(head.length, <Py_ssize_t>0) else OTHER


cdef inline Kind _expected(const char **at, const char *end, const char *text) noexcept:
    """Whether this text comes next, which is passed over; it may have come in part."""
    cdef Py_ssize_t length = strlen(text), there = min(length, end - at[0])
    if memcmp(at[0], text, there):
        return OTHER
    at[0] += there
    return PLAIN if there == length else BEGUN


cdef inline Kind _method(const char **at, const char *end, Head *head) noexcept:
    head.posts = at[0] < end and at[0][0] == c'P'
    return _expected(at, end, b"POST " if head.posts else b"GET ")


cdef inline const char *_end_of_line(const char *at, const char *end) noexcept:
    """Where a line of plain characters ends, or what has come of it; NULL where it has others."""
    while at < end and (c' ' <= at[0] <= c'~' or at[0] == c'\t'):
        at += 1
    return at if at == end or at[0] == c'\r' else NULL


cdef bint _is_plain_line(const char *at, const char *end, Head *head) noexcept:
    """Whether a line is a header, and what it says is nothing, or noted."""
    cdef const char *name = at
    cdef Py_ssize_t length
    while at < end and _is_of_name(at[0]):
        at += 1
    length = at - name
    if length == 0 or at == end or at[0] != c':':
        return False
    at += 1
    while at < end and (at[0] == c' ' or at[0] == c'\t'):
        at += 1
    while at < end and ((end - 1)[0] == c' ' or (end - 1)[0] == c'\t'):
        end -= 1
    if _is(name, length, b"connection"):
        return _is(at, end - at, b"keep-alive")
    if _is(name, length, b"content-length"):
        return _noted_length(at, end, head)
    if _is(name, length, b"content-type") and head.posts:
        return _noted_type(at, end, head)
    return not (
        _is(name, length, b"transfer-encoding")
        or _is(name, length, b"upgrade")
        or _is(name, length, b"expect")
        or _is(name, length, b"proxy-connection")
    )


cdef inline bint _is_of_name(char char) noexcept:
    return c'a' <= char <= c'z' or c'A' <= char <= c'Z' or char == c'-' or c'0' <= char <= c'9' or char == c'_'


cdef inline bint _is(const char *text, Py_ssize_t length, const char *word) noexcept:
    """Whether a text is this word of small letters and hyphens; capitals are letters."""
    cdef Py_ssize_t place
    if length != <Py_ssize_t>strlen(word):
        return False
    for place in range(length):
        if text[place] != word[place] and not (c'A' <= text[place] <= c'Z' and text[place] + 32 == word[place]):
            return False
    return True


cdef bint _noted_length(const char *at, const char *end, Head *head) noexcept:
    if head.length >= 0 or not head.posts or not 0 < end - at <= LONGEST_LENGTH:
        return False
    head.length = 0
    while at < end:
        if not c'0' <= at[0] <= c'9':
            return False
        head.length = 10 * head.length + at[0] - c'0'
        at += 1
    return True


cdef bint _noted_type(const char *at, const char *end, Head *head) noexcept:
    """Whether a body is the fields of a form, in any encoding of characters."""
    cdef const char *stop = at
    while stop < end and stop[0] != c';' and stop[0] != c' ' and stop[0] != c'\t':
        stop += 1
    if head.has_form or not _is(at, stop - at, b"application/x-www-form-urlencoded"):
        return False
    while stop < end and (stop[0] == c' ' or stop[0] == c'\t'):
        stop += 1
    head.has_form = stop == end or stop[0] == c';'
    return head.has_form
