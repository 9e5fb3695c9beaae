"""The last sample of each series in each of some windows, out of the layers of leaves that it may be in.

Layers are looked through from the newest on, and read only while samples are missing; of a page nothing is read but
the rows that windows end in. Readers take times before cells: a row that is seen with its time is seen whole.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from numpy import empty, float64, int64

from ruler.kernels.cells.layers cimport Layer
from ruler.kernels.cells.stacks cimport TILE, Source

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef uint64_t STALE = 0x7FF0000000000002
cdef uint64_t SIGN = <uint64_t>1 << 63
cdef int64_t NEVER = INT64_MIN
cdef Py_ssize_t FAR = <Py_ssize_t>1 << 62

cdef enum:
    PIECE = 1 << 22  # cells that are looked at between two looks at the query's limits

cdef enum Wanted:
    NOTHING, ONE, VALUE, TIME

cdef dict RESULTS = {
    "last_over_time": VALUE,
    "latest": VALUE,
    "present_over_time": ONE,
    "start_of_latest": NOTHING,  # the ring keeps no start times
    "time_of_latest": TIME,
    "ts_of_last_over_time": TIME,
}

cdef extern from "Python.h":  # for lists whose members stay what they are once they are there, without Python's lock
    ctypedef struct PyObject
    PyObject *Py_None
    Py_ssize_t PyList_GET_SIZE(PyObject *) noexcept nogil
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t) noexcept nogil


cdef class LastSamples:
    """LastSamples are those of some series in `count` windows (end - reach, end], the first of which ends at `first`.

    `layers` are in the order of their ticks; `read(layer, low, begin, end)` gives the Source of the rows of one from
    `low` on. The marker of a series that ended is a sample, unless they look `past_stale`. All times are ms.
    """

    def __init__(
        self, list layers, read, int64_t first, int64_t step, Py_ssize_t count, int64_t reach, bint past_stale
    ):
        cdef Layer layer
        self.layers, self.read, self.sources = layers, read, [None] * len(layers)
        self.first, self.step, self.count, self.reach, self.past_stale = first, step, count, reach, past_stale
        self.width = (<Layer>layers[0]).column_of.shape[0]
        for layer in layers:
            if layer.column_of.shape[0] != self.width or layer.outline.interval <= 0:
                raise ValueError(f"{layer.column_of.shape[0]} series every {layer.outline.interval} ms: {self.width}")
            self.most_rows = max(self.most_rows, layer.high - layer.low)

    def sweep(
        self, str name, double[:, ::1] into, uint8_t[:, ::1] present, Py_ssize_t column, check, *,
        const int64_t[::1] places=None, Py_ssize_t left=0, Py_ssize_t right=-1,
    ):
        """Write what a function makes of the samples: see `sweep` of the kernels for windows."""
        cdef Wanted wanted = RESULTS[name]
        cdef Py_ssize_t until, found = 0
        cdef int64_t work = 0
        cdef Room room
        if right < 0:
            right = self.width
        if into.shape[0] != self.count:
            raise ValueError(f"{into.shape[0]} steps: {self.count} windows")
        self.furnish(&room)
        try:
            with nogil:
                while left < right:
                    until = min(left + TILE, right)
                    work += self.tile(left, until, &room)
                    found += _put(&room, wanted, into, present, places, column, left, until)
                    left = until
                    if work > PIECE:
                        work = 0
                        with gil:
                            check()
        finally:
            free(room.memory)
        return found, found

    def samples(self):
        """The samples and their times [windows x series]; ABSENT where there is none."""
        cdef Py_ssize_t left = 0, right, step, each, place
        cdef Room room
        values, times = empty((self.count, self.width), float64), empty((self.count, self.width), int64)
        cdef double[:, ::1] value = values
        cdef int64_t[:, ::1] time = times
        self.furnish(&room)
        try:
            with nogil:
                while left < self.width:
                    right = min(left + TILE, self.width)
                    self.tile(left, right, &room)
                    for step in range(self.count):
                        for each in range(left, right):
                            place = step * room.across + each - left
                            value[step, each] = (<double *>room.last)[place]
                            time[step, each] = room.time[place] if room.last[place] != ABSENT else NEVER
                    left = right
        finally:
            free(room.memory)
        return values, times

    cdef int furnish(self, Room *room) except -1:
        """Make room for a tile."""
        cdef size_t count = self.count, rows = self.most_rows + 1, across = min(TILE, self.width)
        room.across = across
        room.memory = <char *>malloc(((2 * across + 1) * count + 2 * rows) * sizeof(int64_t) + count * sizeof(Spot))
        if room.memory == NULL:
            raise MemoryError(f"{self.count} windows of {across} series, a column of {self.most_rows} rows")
        room.last = <uint64_t *>room.memory
        room.time = <int64_t *>(room.last + across * count)
        room.looked = <uint64_t *>(room.time + across * count)
        room.spots = <Spot *>(room.looked + count)
        room.decoded = <uint64_t *>(room.spots + count)
        room.beside = room.decoded + rows
        return 0

    cdef int load(self, Py_ssize_t number) except -1:
        """Have the source of a layer, once for all threads."""
        cdef Layer layer = self.layers[number]
        cdef Source source = self.read(layer, layer.low, 0, layer.high - layer.low)
        if source.begin or source.end != layer.high - layer.low or source.columns.shape[0] != self.width:
            raise IndexError(f"{layer.high - layer.low} rows of {self.width} series: {source.end} of another count")
        if self.sources[number] is None:
            self.sources[number] = source
        return 0

    cdef int64_t tile(self, Py_ssize_t left, Py_ssize_t right, Room *room) except -1 nogil:
        """Find the samples of up to TILE series; gives about how many cells were looked at."""
        cdef PyObject *layers = <PyObject *>self.layers
        cdef PyObject *sources = <PyObject *>self.sources
        cdef Py_ssize_t number = PyList_GET_SIZE(layers), each, missing = (right - left) * self.count
        cdef int64_t work = 0
        for each in range(room.across * self.count):
            room.last[each] = ABSENT
        for each in range(TILE):
            room.missing[each] = self.count
        while number and missing:
            number -= 1
            if PyList_GET_ITEM(sources, number) == Py_None:
                with gil:
                    self.load(number)
            work += missing
            missing -= self.take(
                <Layer>PyList_GET_ITEM(layers, number), <Source>PyList_GET_ITEM(sources, number), left, right, room
            )
        return work

    cdef Py_ssize_t take(self, Layer layer, Source source, Py_ssize_t left, Py_ssize_t right, Room *room) noexcept nogil:
        """Fill in what is in a layer where there is nothing yet; gives how many samples that are."""
        cdef const uint64_t[:, :] times = layer.outline.times
        cdef Py_ssize_t series, slot = -1, found = 0, until
        cdef Line of_times, of_cells
        of_times.still = of_cells.still = FAR
        for series in range(left, right):
            if source.columns[series] <= 0:
                continue
            if source.blocks == NULL:
                of_cells.first = <char *>&source.cells[source.low, source.places[series]]
                of_cells.apart, of_cells.mask, of_cells.still = source.cells.strides[0], ABSENT, FAR
            until = room.missing[series - left]
            if layer.outline.slot_of[source.columns[series]] != slot or until > room.until:
                slot = layer.outline.slot_of[source.columns[series]]
                of_times.first, of_times.apart, of_times.mask = <char *>&times[layer.low, slot], times.strides[0], SIGN
                self.find(layer, &of_times, until, room)
            if room.low >= room.high:
                continue
            if source.blocks != NULL:
                source.decode(source.columns[series], 0, source.end, room.decoded, room.beside)
                of_cells.first, of_cells.apart, of_cells.mask = <char *>room.decoded, sizeof(uint64_t), 0
            elif source.since is not None:  # which is read after times, as cells are: a row may have been added
                of_cells.still = source.since[source.places[series]] - source.low
            found += self.follow(&of_times, &of_cells, series - left, room)
        return found

    cdef void find(self, Layer layer, const Line *times, Py_ssize_t until, Room *room) noexcept nogil:
        """Find the last row of a stream that each of the first windows reaches: mostly as far apart as windows are."""
        cdef Py_ssize_t rows = layer.high - layer.low, row = -1, seen = 0, low = 0, high, window, guess, before, by
        cdef int64_t step = self.step, time = NEVER, end, met
        cdef Spot *spots = room.spots
        cdef Line line = times[0]
        while seen < rows and <int64_t>_at(&line, seen) == NEVER:
            seen += 1
        while rows > seen and <int64_t>_at(&line, rows - 1) == NEVER:
            rows -= 1
        high = until if seen < rows else 0
        if high:  # those that end before the first row, or begin after the last, reach none
            low = min(self.windows_until(<int64_t>_at(&line, seen)), until)
            high = min(self.windows_until(<int64_t>_at(&line, rows - 1) + self.reach), until)
        end = self.first + low * step
        by = end // layer.outline.interval - layer.outline.first - layer.low + 1
        for window in range(low, high):
            guess = row + by
            if guess >= rows or guess > seen and <int64_t>_at(&line, guess) > end:
                guess = min(guess, rows) - 1
            met = <int64_t>_at(&line, guess) if guess >= seen else NEVER
            if NEVER < met <= end and (guess + 1 == rows or <int64_t>_at(&line, guess + 1) > end):
                by, row, seen, time = guess - row, guess, guess + 1, met
            else:
                before = row
                while seen < rows:
                    met = <int64_t>_at(&line, seen)
                    if met > end:
                        break
                    if met != NEVER:
                        row, time = seen, met
                    seen += 1
                by = row - before
            spots[window].row, spots[window].time = row, time
            end += step
        room.low, room.high, room.until = low, high, until

    cdef Py_ssize_t windows_until(self, int64_t time) noexcept nogil:
        """How many windows end before a time."""
        if time <= self.first:
            return 0
        return 1 + (time - 1 - self.first) // self.step if self.step else 1

    cdef Py_ssize_t follow(self, const Line *times, const Line *cells, Py_ssize_t place, Room *room) noexcept nogil:
        """Go with a series from window to window; gives how many samples are found."""
        cdef Py_ssize_t low = room.low, high = min(room.high, room.missing[place]), first = high
        cdef Py_ssize_t window, row, reached = -1, found = 0
        cdef uint64_t cell, last = ABSENT, absent = ABSENT, none = STALE if self.past_stale else ABSENT
        cdef int64_t step = self.step, start = self.first + low * step - self.reach, time = NEVER
        cdef uint64_t *looked = room.looked
        cdef uint64_t *into = room.last + low * room.across + place
        cdef int64_t *at = room.time + low * room.across + place
        cdef const Spot *spots = room.spots
        cdef Line line = cells[0]
        for window in range(low, high):  # by themselves, so that the processor waits for many at once
            looked[window] = _at(&line, spots[window].row)
        for window in range(low, high):
            row = spots[window].row
            while row > reached:
                cell = looked[window] if row == spots[window].row else _at(&line, row)
                if cell != absent and cell != none:
                    time = spots[window].time if row == spots[window].row else <int64_t>_at(times, row)
                    if time != NEVER:
                        last = cell
                        break
                row -= 1
            reached = spots[window].row
            if last != absent and time > start and into[0] == absent:
                into[0], at[0] = last, time
                first = min(first, window)
                found += 1
            start += step
            into += room.across
            at += room.across
        if first < high:
            room.missing[place] = first
        return found


cdef inline uint64_t _at(const Line *line, Py_ssize_t row) noexcept nogil:
    return (<const uint64_t *>(line.first + min(row, line.still) * line.apart))[0] ^ line.mask


cdef Py_ssize_t _put(
    const Room *room, Wanted wanted, double[:, ::1] into, uint8_t[:, ::1] present, const int64_t[::1] places,
    Py_ssize_t column, Py_ssize_t left, Py_ssize_t right,
) noexcept nogil:
    """Write what is wanted of a tile's samples to its place; gives how many results there are."""
    cdef Py_ssize_t window, series, each, place, found = 0
    cdef uint64_t last
    cdef double value
    for window in range(into.shape[0]):
        for series in range(left, right):
            each = window * room.across + series - left
            place = column + (series if places is None else places[series])
            last = room.last[each]
            if wanted == VALUE:
                value = (<double *>&last)[0]
            else:
                value = room.time[each] / <double>1000 if wanted == TIME else 1
            into[window, place] = value
            present[window, place] = (last != ABSENT) & (last != STALE) & (wanted != NOTHING)
            found += present[window, place]
    return found
