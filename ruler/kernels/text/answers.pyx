"""Vectors and matrices as the series of Prometheus's JSON, in pieces: a query may be stopped between two of them.

A vector's series has `"value":[12.5,"1"]`, a matrix's `"values":[[12.5,"1"],…]`. While a piece is written, Python's
lock is free, unless the whole answer is small.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from ruler.kernels.text.digits cimport NUMBER, write_number, write_seconds
from ruler.kernels.text.labels cimport LabelSets

cdef extern from "Python.h":
    PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t) except NULL
    char *PyBytes_AS_STRING(PyObject *) noexcept nogil
    int _PyBytes_Resize(PyObject **, Py_ssize_t) except -1

cdef uint64_t SCATTER = 0x9E3779B97F4A7C15  # 2 ** 64 / the golden ratio
cdef enum:
    PIECE = 1 << 18    # bytes of a piece; one series' labels may take more
    SERIES = 256       # bytes that a series takes in most answers
    FRAME = 64         # what stands around a series' labels and points, and more than that
    POINT = 64         # a point and the end of its series, and more than that
    BEYOND = 128       # what may be overwritten behind what is written
    FORM = 24
    MOST_FORMS = 1 << 14
    FEW = 1 << 9       # series and points of an answer that is written without letting other threads in

cdef struct Form:
    # What stands before the value of a point at this time: `[12.5,"`.
    int64_t time
    size_t length  # 0: there is none
    char text[FORM]


cdef class Answer:
    """An Answer is an iterator over the pieces of series with their values, with commas between.

    A vector's values are all at one `time` (ms); a matrix's are as in a Matrix, at `times`, with `offsets`. `head` and
    `tail` stand before and behind them.
    """

    cdef LabelSets labels
    cdef const double[:] values
    cdef const int64_t[:] times, offsets
    cdef int64_t time
    cdef bint matrix, small
    cdef bint comma  # whether a series has been written
    cdef bytes head, tail  # None once they are written
    cdef Form *forms
    cdef uint64_t mask
    cdef Py_ssize_t count, series  # how many series there are, and which is written
    cdef Py_ssize_t point, first, stop  # its next point, its first, and where they end
    cdef Py_ssize_t beginning  # bytes that it takes to begin it

    def __cinit__(
        self,
        tuple names,
        const int32_t[:, :] codes,
        text,
        const double[:] values,
        int64_t time=0,
        const int64_t[:] times=None,
        const int64_t[:] offsets=None,
        bytes head not None=b"",
        bytes tail not None=b"",
    ):
        cdef Py_ssize_t series, longest = 0, forms = 1
        self.labels = LabelSets(names, codes, text)
        self.head, self.tail = head, tail
        self.values, self.time, self.times, self.offsets = values, time, times, offsets
        self.count, self.matrix = codes.shape[0], offsets is not None
        if self.matrix:
            if offsets.shape[0] != self.count + 1 or offsets[0] < 0 or times.shape[0] != values.shape[0]:
                raise ValueError(f"matrix: not one offset more than series: {offsets.shape[0]}")
            for series in range(self.count):
                if not offsets[series] <= offsets[series + 1] <= values.shape[0]:
                    raise ValueError(f"matrix: a series of values that are not there: {offsets[series + 1]}")
                longest = max(longest, <Py_ssize_t>(offsets[series + 1] - offsets[series]))
            while forms < MOST_FORMS and forms < 4 * longest:
                forms *= 2
        elif values.shape[0] != self.count:
            raise ValueError(f"vector: not one value for each series: {values.shape[0]}")
        self.small = self.count + values.shape[0] < FEW
        self.mask = forms - 1
        self.forms = <Form *>calloc(forms, sizeof(Form))
        if self.forms == NULL:
            raise MemoryError
        self._turn()

    def __dealloc__(self):
        free(self.forms)

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t room = (self.count - self.series) * SERIES + (self.values.shape[0] - self.point) * POINT
        cdef bytes head = self.head or b"", tail = self.tail or b""
        cdef PyObject *piece
        cdef char *at
        cdef char *end
        if self.series == self.count and not head and not tail:
            raise StopIteration
        room = max(self.beginning, min(room, <Py_ssize_t>PIECE))
        piece = PyBytes_FromStringAndSize(NULL, len(head) + room + len(tail) + BEYOND)
        try:
            at = PyBytes_AS_STRING(piece)
            memcpy(at, <const char *>head, len(head))
            self.head = None
            end = at + len(head)
            if self.small:
                end = self._filled(end, end + room)
            else:
                with nogil:
                    end = self._filled(end, end + room)
            if self.series == self.count:
                memcpy(end, <const char *>tail, len(tail))
                self.tail = None
                end += len(tail)
            _PyBytes_Resize(&piece, end - at)
            return <bytes>piece
        finally:
            Py_XDECREF(piece)

    cdef int _turn(self) except -1 nogil:
        """Turn to the next series that has points."""
        while self.series < self.count:
            self.first = self.offsets[self.series] if self.matrix else self.series
            self.stop = self.offsets[self.series + 1] if self.matrix else self.series + 1
            self.point = self.first
            if self.first < self.stop:
                self.beginning = FRAME + POINT + <Py_ssize_t>self.labels.turn(self.series)
                break
            self.series += 1
        return 0

    cdef char *_filled(self, char *at, char *end) except NULL nogil:
        """Write what comes next, as far as there is room; where it ends."""
        while self.series < self.count:
            if self.point == self.first:
                if self.beginning > end - at:
                    break
                at = self._begun(at)
            at = self._points(at, min(self.stop, self.point + (end - at) // POINT))
            if self.point < self.stop:
                break
            at = self._ended(at)
            self.series += 1
            self._turn()
        return at

    cdef char *_begun(self, char *at) noexcept nogil:
        """Write what stands before the points of a series; the first that is written has no comma before it."""
        if self.comma:
            at[0] = c","
            at += 1
        self.comma = True
        memcpy(at, b'{"metric":', 10)
        at = self.labels.write(at + 10)
        if not self.matrix:
            memcpy(at, b',"value":', 9)
            return at + 9
        memcpy(at, b',"values":[', 11)
        return at + 11

    cdef char *_points(self, char *at, Py_ssize_t stop) noexcept nogil:
        """Write points up to this one, each with a comma behind it."""
        cdef int64_t time = self.time
        cdef const Form *form
        cdef Py_ssize_t point
        for point in range(self.point, stop):
            if self.matrix:
                time = self.times[point]
            form = self._form(time)
            memcpy(at, form.text, FORM)
            at = write_number(at + form.length, self.values[point])
            memcpy(at, b'"],', 3)
            at += 3
        self.point = stop
        return at

    cdef inline const Form *_form(self, int64_t time) noexcept nogil:
        cdef Form *form = &self.forms[((<uint64_t>time * SCATTER) >> 32) & self.mask]
        cdef char text[2 * NUMBER]
        if form.time != time or form.length == 0:
            text[0] = c"["
            form.length = write_seconds(text + 1, time) - text
            memcpy(text + form.length, b',"', 2)
            form.time, form.length = time, form.length + 2
            memcpy(form.text, text, FORM)
        return form

    cdef char *_ended(self, char *at) noexcept nogil:
        """Write what stands behind the points of a series, over the last one's comma."""
        at -= 1
        if self.matrix:
            at[0] = c"]"
            at += 1
        at[0] = c"}"
        return at + 1
