"""Label sets as JSON objects. What stands for a label is made once for each of its values, and copied for every series.

A piece is `"name":"value",`. Pieces are copied CHUNK bytes at a time: as many may be read and written behind the last.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from orjson import dumps

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    void *PyUnicode_1BYTE_DATA(object)

cdef uint64_t SCATTER = 0x9E3779B97F4A7C15  # 2 ** 64 / the golden ratio
cdef enum:
    CHUNK = 16         # bytes that are copied at once
    FIRST_ROOM = 2048
    FIRST_PIECES = 64


cdef class LabelSets:
    """LabelSets are the labels of series by their codes, of which `text` gives the strings; code 0 is no label."""

    def __cinit__(self, tuple names, const int32_t[:, :] codes, text):
        if codes.shape[1] != len(names):
            raise ValueError(f"labels of series: not a column of codes for each name: {codes.shape[1]}")
        self.names, self.codes, self.text = names, codes, text
        self.room, self.mask = FIRST_ROOM, FIRST_PIECES - 1
        self.texts = <char *>realloc(NULL, self.room + CHUNK)
        self.pieces = <Piece *>calloc(FIRST_PIECES, sizeof(Piece))
        self.current = <Piece *>calloc(len(names) + 1, sizeof(Piece))
        if self.texts == NULL or self.pieces == NULL or self.current == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.texts)
        free(self.pieces)
        free(self.current)

    cdef size_t turn(self, Py_ssize_t series) except 0 nogil:
        """Make a series the one whose labels are written; the bytes that they take at most."""
        cdef size_t length = 2 + CHUNK
        cdef Py_ssize_t column
        cdef uint64_t key
        cdef Piece *piece = self.current
        for column in range(self.codes.shape[1]):
            key = <uint64_t>column << 32 | <uint32_t>self.codes[series, column]
            if piece.key != key:
                piece[0] = self._known(key)[0]
            length += piece.length
            piece += 1
        return length

    cdef char *write(self, char *at) noexcept nogil:
        """Write the labels of the series that was turned to; where they end."""
        cdef Py_ssize_t column
        cdef size_t done
        cdef const Piece *piece = self.current
        cdef const char *text
        at[0] = c"{"
        at += 1
        for column in range(self.codes.shape[1]):
            text = self.texts + piece.begin
            done = 0
            while done < piece.length:
                memcpy(at + done, text + done, CHUNK)
                done += CHUNK
            at += piece.length
            piece += 1
        if (at - 1)[0] == c",":
            at -= 1
        at[0] = c"}"
        return at + 1

    cdef Piece *_known(self, uint64_t key) except NULL nogil:
        """The piece of a column's code; an empty one for no label."""
        cdef Piece *piece = self._place(key)
        if piece.length == 0 and <uint32_t>key:
            return self._made(key)
        piece.key = key
        return piece

    cdef Piece *_place(self, uint64_t key) noexcept nogil:
        """Where the piece of this key is, or is to be."""
        cdef size_t place = (key * SCATTER) >> 32
        while self.pieces[place & self.mask].length and self.pieces[place & self.mask].key != key:
            place += 1
        return &self.pieces[place & self.mask]

    cdef Piece *_made(self, uint64_t key) except NULL with gil:
        """The piece of a key that has none yet."""
        cdef str text = self.text(<int32_t>key)
        cdef size_t length = self.size
        if 2 * self.known > self.mask:
            self._spread()
        self._add_quoted(self.names[key >> 32])
        self._add(b":", 1)
        self._add_quoted(text)
        self._add(b",", 1)
        cdef Piece *piece = self._place(key)
        piece.key, piece.begin, piece.length = key, length, self.size - length
        self.known += 1
        return piece

    cdef int _add_quoted(self, str text) except -1:
        cdef bytes quoted
        if _is_plain(text):
            self._add(b'"', 1)
            self._add(<const char *>PyUnicode_1BYTE_DATA(text), len(text))
            self._add(b'"', 1)
        else:
            quoted = dumps(text)
            self._add(quoted, len(quoted))
        return 0

    cdef int _add(self, const char *text, size_t length) except -1:
        cdef char *texts
        if self.size + length > self.room:
            texts = <char *>realloc(self.texts, 2 * (self.size + length) + CHUNK)
            if texts == NULL:
                raise MemoryError
            self.texts, self.room = texts, 2 * (self.size + length)
        memcpy(self.texts + self.size, text, length)
        self.size += length
        return 0

    cdef int _spread(self) except -1:
        """Make room for twice as many pieces."""
        cdef Piece *before = self.pieces
        cdef size_t places = self.mask + 1, place
        cdef Piece *after = <Piece *>calloc(2 * places, sizeof(Piece))
        if after == NULL:
            raise MemoryError
        self.pieces, self.mask = after, 2 * places - 1
        for place in range(places):
            if before[place].length:
                self._place(before[place].key)[0] = before[place]
        free(before)
        return 0


cdef bint _is_plain(str text):
    """Whether a text stands for itself between quotes."""
    cdef const unsigned char *letter
    cdef Py_ssize_t place
    if not PyUnicode_IS_COMPACT_ASCII(text):
        return False
    letter = <const unsigned char *>PyUnicode_1BYTE_DATA(text)
    for place in range(len(text)):
        if letter[place] < 32 or letter[place] == 34 or letter[place] == 92:
            return False
    return True


def label_sets(tuple names, const int32_t[:, :] codes, text):
    """The labels of each series as a JSON object."""
    cdef LabelSets sets = LabelSets(names, codes, text)
    cdef list written = []
    cdef Py_ssize_t series
    cdef size_t room = 0, needed
    cdef char *line = NULL
    cdef char *longer
    try:
        for series in range(codes.shape[0]):
            needed = sets.turn(series)
            if needed > room:
                room = 2 * needed
                longer = <char *>realloc(line, room)
                if longer == NULL:
                    raise MemoryError
                line = longer
            written.append(line[:sets.write(line) - line])
        return written
    finally:
        free(line)
