"""What leaves have of a selection: in which columns, in which rows, and whether one leaf follows the other.

Columns and slots are those of leaves, which have been checked when those were opened.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from numpy import bool_, empty, int64, zeros

cdef int32_t OPEN = 0x7FFFFFFF  # the last row of a slot that is still written
cdef int64_t FAR = <int64_t>1 << 62


cdef class Outline:
    """An Outline is a leaf as kernels see it: which tick row 0 is (of so many ms, 0: of none), where columns and slots begin and end, and its times.

    `times` are [rows x slots], as stored; the other arrays are those of the leaf, too, and may go on to change. Rows lie
    up to `ahead` and `behind` rows from where their times would put them.
    """

    def __init__(
        self,
        int64_t interval,
        int64_t first,
        const int32_t[::1] slot_of,
        const int32_t[::1] first_row,
        const int32_t[::1] last_row,
        const int32_t[::1] slot_first,
        const int32_t[::1] slot_last,
        const uint64_t[:, :] times,
    ):
        cdef Py_ssize_t slots = times.shape[1], column
        if not slot_of.shape[0] == first_row.shape[0] == last_row.shape[0]:
            raise ValueError(f"{slot_of.shape[0]} columns: {first_row.shape[0]} begin, {last_row.shape[0]} end")
        if not slots == slot_first.shape[0] == slot_last.shape[0]:
            raise ValueError(f"{slots} slots: {slot_first.shape[0]} begin, {slot_last.shape[0]} end")
        for column in range(slot_of.shape[0]):
            if not 0 <= slot_of[column] < slots:
                raise ValueError(f"column {column} in slot {slot_of[column]} of {slots}")
        self.interval, self.first, self.slot_of, self.first_row, self.last_row = interval, first, slot_of, first_row, last_row
        self.slot_first, self.slot_last, self.times = slot_first, slot_last, times
        self.ahead = self.behind = 1

    def rows_about(self, int64_t start, int64_t end):
        """The rows [low, high) outside of which no time is in (start, end]."""
        cdef Py_ssize_t low, high
        self.about(start, end, &low, &high)
        return low, high

    cdef void about(self, int64_t start, int64_t end, Py_ssize_t *low, Py_ssize_t *high) noexcept:
        low[0], high[0] = 0, self.times.shape[0]
        if self.interval:
            low[0] = max(0, (start + 1) // self.interval - self.first - self.behind)
            high[0] = min(high[0], max(0, end // self.interval - self.first + self.ahead + 1))


cdef class Layer:
    """A Layer is the rows [low, high) of a leaf, and for each series its column there: 0 where it has no sample there.

    `count` series have one, and `erasures` may touch samples here.
    """

    def __init__(self, page, columns, Py_ssize_t low, Py_ssize_t high, tuple erasures):
        cdef const int64_t[::1] column_of = columns
        cdef int64_t[::1] living
        cdef Outline outline = page.outline
        cdef Py_ssize_t each, dead = 0
        self.page, self.low, self.high, self.erasures, self.outline = page, low, high, erasures, outline
        self.count = 0
        with nogil:
            for each in range(column_of.shape[0]):
                if _lives(outline, column_of[each], low, high):
                    self.count += 1
                elif column_of[each] > 0:
                    dead += 1
        if dead:
            columns = empty(column_of.shape[0], int64)
            living = columns
            for each in range(column_of.shape[0]):
                living[each] = column_of[each] if _lives(outline, column_of[each], low, high) else 0
        self.columns, self.column_of = columns, columns

    @property
    def whole(self):
        """Whether every series has its column here."""
        return self.count == self.column_of.shape[0]

    def among(self, series):
        """The same for some of the series: a slice, or their places."""
        return Layer(self.page, self.columns[series], self.low, self.high, self.erasures)


cdef inline bint _lives(Outline outline, int64_t column, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    return column > 0 and outline.last_row[column] >= low and outline.first_row[column] < high


def extent(list layers):
    """The first tick that any of the layers has, how many ticks there are up to the last, and how many rows."""
    cdef Layer layer
    cdef int64_t low = FAR, high = -FAR, rows = 0
    for layer in layers:
        low, high = min(low, layer.outline.first + layer.low), max(high, layer.outline.first + layer.high)
        rows += layer.high - layer.low
    return low, high - low, rows


def find_layers(tuple leaves, selected, int64_t start, int64_t end, int plane, tuple records, touching):
    """What leaves have of the series selected in (start, end]; several layers of one that has a series twice.

    `selected.columns_in(page)` says where its series are; a `few` are looked up here. `touching(records, leaf, start,
    end)` are the erasures that may touch a leaf.
    """
    cdef Py_ssize_t low, high
    cdef int64_t oldest, newest
    cdef Layer layer
    cdef list found = []
    cdef tuple erasures = ()
    few = selected.few
    for leaf in leaves:
        oldest, newest = leaf.oldest, leaf.newest
        if oldest > end or newest <= start:
            continue
        page = leaf.opened()
        if page is None:
            continue
        if plane:
            page = page.of_plane(plane)
        (<Outline>page.outline).about(max(start, oldest - 1), min(end, newest), &low, &high)
        if low >= high:
            continue
        if records:
            erasures = touching(records, leaf, start, end)
        for columns in columns_of(page, few) if few is not None else selected.columns_in(page):
            layer = Layer(page, columns, low, high, erasures)
            if layer.count:
                found.append(layer)
    return found


cpdef list columns_of(page, series_wanted):
    """For each series its column (0: none), if any has one; a second array and more where some have several."""
    cdef tuple in_order = page.in_order
    if in_order[0] != page.used:
        in_order = page.ordered()
    cdef const int64_t[::1] known = in_order[1], columns = in_order[2], series = series_wanted
    cdef Py_ssize_t each, place, nth = 0, most = 1
    cdef int64_t[::1] into
    cdef list found = []
    while nth < most:
        into = None
        with nogil:
            for each in range(series.shape[0]):
                place = _first_of(known, series[each]) + nth
                if place < known.shape[0] and known[place] == series[each]:
                    if into is None:
                        with gil:
                            found.append(zeros(series.shape[0], int64))
                            into = found[nth]
                    into[each] = columns[place]
                    if nth + 1 == most and place + 1 < known.shape[0] and known[place + 1] == series[each]:
                        most += 1
        nth += 1
    return found


cdef inline Py_ssize_t _first_of(const int64_t[::1] known, int64_t series) noexcept nogil:
    """The first place of a series among those in order, or where it would be. Mostly no number is left out."""
    cdef Py_ssize_t low = 0, high = known.shape[0], middle = series - known[0] if high else 0
    if 0 < middle < high and known[middle - 1] < series <= known[middle]:
        return middle
    while low < high:
        middle = (low + high) >> 1
        if known[middle] < series:
            low = middle + 1
        else:
            high = middle
    return low


def clashing(list layers):
    """Which series have a stream that begins in a layer before the one in those above it has ended: bools, or None.

    The layers are in the order of their ticks.
    """
    cdef Py_ssize_t width = (<Layer>layers[0]).column_of.shape[0], each, count = 0
    cdef int64_t first, column
    cdef int32_t slot
    cdef Layer layer
    cdef Outline outline
    cdef uint8_t[::1] found
    cdef int64_t *until = <int64_t *>malloc((width + 1) * (sizeof(int64_t) + 1))
    cdef uint8_t *clash = <uint8_t *>(until + width)
    if until == NULL:
        raise MemoryError(f"{width} series")
    try:
        for each in range(width):
            until[each], clash[each] = -FAR, False
        for layer in layers:
            outline = layer.outline
            with nogil:
                for each in range(width):
                    column = layer.column_of[each]
                    if column > 0:
                        slot = outline.slot_of[column]
                        first = outline.first + outline.slot_first[slot]
                        if until[each] >= first:
                            clash[each] = True
                            count += 1
                        first = FAR if outline.slot_last[slot] == OPEN else outline.first + outline.slot_last[slot]
                        until[each] = max(until[each], first)
        if count == 0:
            return None
        marked = empty(width, bool_)
        found = marked.view("u1")
        for each in range(width):
            found[each] = clash[each]
        return marked
    finally:
        free(until)
