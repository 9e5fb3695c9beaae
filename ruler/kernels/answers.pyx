"""Vectors and matrices as the series of Prometheus's JSON, in pieces: a query may be stopped between two of them.

A vector's series has `"value":[12.5,"1"]`, a matrix's `"values":[[12.5,"1"],…]`. While a piece is written, Python's
lock is free, unless the whole answer is small.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from ruler.kernels.digits cimport NUMBER, write_number, write_seconds
from ruler.kernels.labels cimport LabelSets

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

    A vector's values are all at one `time` (ms); a matrix's are as in a Matrix, at `times`, with `offsets`.
    """

    cdef LabelSets labels
    cdef const double[:] values
    cdef const int64_t[:] times, offsets
    cdef int64_t time
    cdef bint matrix, small
    cdef bint comma  # whether a series has been written
    cdef Py_ssize_t series, count, point
    cdef char *piece
    cdef Py_ssize_t room
    cdef Form *forms
    cdef uint64_t mask

    def __cinit__(
        self,
        tuple names,
        const int32_t[:, :] codes,
        text,
        const double[:] values,
        int64_t time=0,
        const int64_t[:] times=None,
        const int64_t[:] offsets=None,
    ):
        cdef Py_ssize_t series, forms = 1
        self.labels = LabelSets(names, codes, text)
        self.values, self.time, self.times, self.offsets = values, time, times, offsets
        self.count, self.matrix = codes.shape[0], offsets is not None
        if self.matrix:
            if offsets.shape[0] != self.count + 1 or offsets[0] < 0 or times.shape[0] != values.shape[0]:
                raise ValueError(f"matrix: not one offset more than series: {offsets.shape[0]}")
            for series in range(self.count):
                if not offsets[series] <= offsets[series + 1] <= values.shape[0]:
                    raise ValueError(f"matrix: a series of values that are not there: {offsets[series + 1]}")
            self.point = offsets[0]
            while forms < MOST_FORMS and forms < 2 * values.shape[0]:
                forms *= 2
        elif values.shape[0] != self.count:
            raise ValueError(f"vector: not one value for each series: {values.shape[0]}")
        self.small = self.count + values.shape[0] < FEW
        self.room = min(<Py_ssize_t>PIECE, self.count * SERIES + values.shape[0] * POINT)
        self.mask = forms - 1
        self.piece = <char *>malloc(self.room + BEYOND)
        self.forms = <Form *>calloc(forms, sizeof(Form))
        if self.piece == NULL or self.forms == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.forms)
        free(self.piece)

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t length
        if self.small:
            length = self._filled()
        else:
            with nogil:
                length = self._filled()
        if length == 0:
            raise StopIteration
        return self.piece[:length]

    cdef Py_ssize_t _filled(self) except -1 nogil:
        """Write the next piece; how long it is."""
        cdef char *at = self.piece
        cdef char *end = at + self.room
        cdef Py_ssize_t first, stop, needed
        while self.series < self.count:
            first = self.offsets[self.series] if self.matrix else self.series
            stop = self.offsets[self.series + 1] if self.matrix else self.series + 1
            if self.point == first and first < stop:
                needed = FRAME + POINT + <Py_ssize_t>self.labels.turn(self.series)
                if needed > end - at and at > self.piece:
                    break
                if needed > end - at:
                    at = self._enlarged(needed)
                    end = at + needed
                at = self._begun(at)
            if stop - self.point > (end - at) // POINT:
                at = self._points(at, self.point + (end - at) // POINT)
                break
            if first < stop:
                at = self._ended(self._points(at, stop))
            self.series += 1
        return at - self.piece

    cdef char *_enlarged(self, Py_ssize_t room) except NULL nogil:
        free(self.piece)
        self.piece = <char *>malloc(room + BEYOND)
        if self.piece == NULL:
            with gil:
                raise MemoryError
        self.room = room
        return self.piece

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
