"""A function of range vectors over many series: each column's samples are laid side by side, then window after window.

The kernels themselves are in the files beside this one. None of this holds Python's lock.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ruler.kernels.cells.stacks cimport TILE, Stack
from ruler.kernels.windows cimport differences, edges, folds, ordered
from ruler.kernels.windows.window cimport OF_TIMES, Column, Kernel, Steps, Through, each_window

cdef uint64_t ABSENT = 0x7FF4746F6373696E
cdef uint64_t STALE = 0x7FF0000000000002
cdef uint64_t UNSIGNED = 0x7FFFFFFFFFFFFFFF  # all bits of a float but its sign
cdef uint64_t BEYOND = 0x000FFFFFFFFFFFFF    # what added to those of a NaN, and to no others, sets the sign's
cdef int64_t NEVER = INT64_MIN

cdef enum:
    PIECE = 1 << 22  # samples that are looked at between two looks at the query's limits
    A_STEP = 4       # samples that a window costs beside its own
    HEAVY = 8        # how many times a sample takes the time of others in those that sort or fit a line

cdef dict KERNELS = {
    "avg_over_time": <size_t>folds.avg_over_time,
    "changes": <size_t>differences.changes,
    "count_over_time": <size_t>folds.count_over_time,
    "delta": <size_t>differences.delta,
    "deriv": <size_t>folds.deriv,
    "double_exponential_smoothing": <size_t>folds.double_exponential_smoothing,
    "extended_changes": <size_t>edges.extended_changes,
    "extended_delta": <size_t>edges.extended_delta,
    "extended_increase": <size_t>edges.extended_increase,
    "extended_rate": <size_t>edges.extended_rate,
    "extended_resets": <size_t>edges.extended_resets,
    "first_over_time": <size_t>folds.first_over_time,
    "idelta": <size_t>differences.idelta,
    "increase": <size_t>differences.increase,
    "irate": <size_t>differences.irate,
    "last_over_time": <size_t>folds.last_over_time,
    "latest": <size_t>folds.latest,
    "left_edge": <size_t>edges.left_edge,
    "mad_over_time": <size_t>ordered.mad_over_time,
    "max_over_time": <size_t>folds.max_over_time,
    "min_over_time": <size_t>folds.min_over_time,
    "overlaps": <size_t>differences.overlaps,
    "predict_linear": <size_t>folds.predict_linear,
    "present_over_time": <size_t>folds.present_over_time,
    "quantile_over_time": <size_t>ordered.quantile_over_time,
    "rate": <size_t>differences.rate,
    "resets": <size_t>differences.resets,
    "right_edge": <size_t>edges.right_edge,
    "smoothed": <size_t>edges.smoothed,
    "start_of_latest": <size_t>folds.start_of_latest,
    "stddev_over_time": <size_t>folds.stddev_over_time,
    "stdvar_over_time": <size_t>folds.stdvar_over_time,
    "sum_over_time": <size_t>folds.sum_over_time,
    "time_of_latest": <size_t>folds.time_of_latest,
    "ts_of_first_over_time": <size_t>folds.ts_of_first_over_time,
    "ts_of_last_over_time": <size_t>folds.ts_of_last_over_time,
    "ts_of_max_over_time": <size_t>folds.ts_of_max_over_time,
    "ts_of_min_over_time": <size_t>folds.ts_of_min_over_time,
}

cdef dict LOOPS = {  # of those that take less time than a call
    "increase": <size_t>differences.increase_of_each,
    "rate": <size_t>differences.rate_of_each,
}

cdef set ENDINGS = {"latest", "time_of_latest", "start_of_latest"}  # kernels that are shown ends of series
HEAVY_ONES = frozenset(
    ("quantile_over_time", "mad_over_time", "stddev_over_time", "stdvar_over_time", "deriv", "predict_linear")
)


cdef struct Laid:
    # The samples of a column, or of all columns of a stream that have all of the stream's samples.
    Py_ssize_t length
    int64_t *time
    Py_ssize_t *first  # of each window
    Py_ssize_t *stop
    int64_t samples    # in all windows
    double *of_times
    bint known         # whether those are there


cdef struct Run:
    Py_ssize_t row, count


cdef struct Room:
    # One piece of memory for all that is laid out.
    char *memory
    Laid stream
    Laid column
    Run *runs           # the rows in which the stream got something
    Py_ssize_t run_count
    double *tile        # columns of a stack,
    double *beside      # and what takes part in computing them
    double *value
    int64_t *begun
    int64_t *starts     # of the windows
    int64_t *ends
    double *results     # [steps x tile]
    uint8_t *here


def sweep(
    str name, cells, const int64_t[:, :] times, const int32_t[::1] stream_of, const int64_t[:, :] begun,
    const int64_t[::1] ends, int64_t reach, double[:, ::1] into, uint8_t[:, ::1] present, Py_ssize_t column, check, *,
    const int64_t[::1] places=None, Py_ssize_t left=0, Py_ssize_t right=-1, const int64_t[::1] starts=None,
    const int64_t[::1] now=None, const double[:, ::1] scalars=None, int64_t lookback=0, bint smoothed=False,
):
    """Write what a kernel makes of each window of each column c to `into[step, column + c]`, with where it is.

    `cells` and `times` are those of a Block (times of its streams), `begun` its start times or None. Windows are
    (end - reach, end] for each of `ends` [steps or 1], unless `starts` say otherwise; `now` is the moments [steps or
    1], `scalars` the function's other arguments [steps or 1 x arguments]. With `places`, those stand for the c above;
    with `left` or `right`, only columns from one up to the other are looked at. Extended windows look `lookback` ms
    beyond their edges. Every now and then `check` is called, with Python's lock; what it raises is raised. Gives how
    many samples all windows hold, and how many results there are.
    """
    cdef Kernel kernel = <Kernel><size_t>KERNELS[name]
    cdef Through through = <Through><size_t>LOOPS.get(name, <size_t>each_window)
    cdef Stack stack = cells if isinstance(cells, Stack) else None
    cdef const double[:, :] values = cells if stack is None else None
    cdef bint endings = name in ENDINGS, early = smoothed and reach
    cdef Py_ssize_t rows = times.shape[0], steps = into.shape[0], each, step, height, until, found = 0
    cdef Py_ssize_t apart = sizeof(double) if stack is not None else values.strides[0]
    cdef int64_t samples = 0, weight = HEAVY if name in HEAVY_ONES else 1, cost, work = 0
    cdef int32_t stream = -1
    cdef Laid *laid
    cdef Column c
    cdef Steps all
    cdef Room room
    if right < 0:
        right = stream_of.shape[0]
    if (stack.height if stack is not None else values.shape[0]) != rows:
        raise ValueError(f"{cells.shape[0]} rows of cells: {rows} of times")
    _furnish(&room, &all, &c, rows, steps, min(TILE, right - left) if stack is not None else 0)
    for step in range(steps):
        each = step if ends.shape[0] > 1 else 0
        room.ends[step] = ends[each]
        room.starts[step] = ends[each] - reach if starts is None else starts[each]
    if now is not None:
        all.now, all.of_now = &now[0], now.shape[0] > 1
    if scalars is not None:
        all.scalars, all.of_scalars = &scalars[0, 0], scalars.shape[1] if scalars.shape[0] > 1 else 0
    c.begun = NULL if begun is None else room.begun
    c.reach, c.lookback, c.smoothed = reach, lookback, smoothed
    try:
        with nogil:
            while left < right:
                until = min(left + TILE, right)
                if stack is not None:
                    stack.tile(left, until, room.tile, room.beside)
                for each in range(left, until):
                    if stream_of[each] != stream:
                        stream = stream_of[each]
                        _lay_out_stream(times, stream, &all, early, &room)
                    laid = &room.stream
                    if stack is not None:
                        c.value = room.tile + (each - left) * rows
                    else:
                        c.value = &values[0, each]
                    c.value = _side_by_side(c.value, apart, begun, each, &room)
                    if not _all_samples(c.value, laid.length):
                        laid = &room.column
                        _lay_out_column(c.value, endings, &all, early, &room)
                        c.value = room.value
                    c.time, c.length, c.of_times, c.known = laid.time, laid.length, laid.of_times, laid.known
                    c.low = c.high = c.reached = 0
                    all.first, all.stop = laid.first, laid.stop
                    all.results, all.here = room.results + each - left, room.here + each - left
                    cost = rows + A_STEP * steps + weight * laid.samples
                    height = steps if cost < PIECE else 1 + PIECE // (1 + cost // (1 + steps))
                    step = 0
                    while step < steps:
                        found += through(kernel, &c, step, min(step + height, steps))
                        step += height
                        work += min(cost, <int64_t>PIECE)
                        if work > PIECE:
                            work = 0
                            with gil:
                                check()
                    laid.known = True
                    samples += laid.samples
                _put(&room, into, present, places, column, left, until)
                left = until
    finally:
        free(room.memory)
    return samples, found


cdef int _furnish(
    Room *room, Steps *all, Column *c, Py_ssize_t rows, Py_ssize_t steps, Py_ssize_t computed
) except -1:
    """Make room for columns of so many rows, of which so many are computed together."""
    cdef size_t for_rows = (9 + 2 + computed) * <size_t>(rows + 1), for_steps = 2 + 2 * (2 + OF_TIMES) + TILE
    room.memory = <char *>malloc((for_rows + for_steps * steps) * 8 + TILE * steps)
    if room.memory == NULL:
        raise MemoryError(f"a column of {rows} rows")
    cdef int64_t *place = <int64_t *>room.memory
    room.starts, place = place, place + steps
    room.ends, place = place, place + steps
    place = _place_for(&room.stream, place, rows, steps)
    place = _place_for(&room.column, place, rows, steps)
    room.results, place = <double *>place, place + TILE * steps
    room.runs, place = <Run *>place, place + 2 * (rows + 1)
    room.value, place = <double *>place, place + rows + 1
    room.begun, place = place, place + rows + 1
    room.tile, place = <double *>place, place + computed * (rows + 1)
    room.beside, place = <double *>place, place + 2 * (rows + 1)
    c.room, place = <double *>place, place + rows + 1
    c.spare, place = <double *>place, place + rows + 1
    c.places, place = <Py_ssize_t *>place, place + rows + 1
    room.here = <uint8_t *>place
    c.all = all
    all.count, all.starts, all.ends, all.apart = steps, room.starts, room.ends, TILE
    all.now, all.of_now, all.scalars, all.of_scalars = room.ends, 0, NULL, 0
    return 0


cdef int64_t *_place_for(Laid *laid, int64_t *place, Py_ssize_t rows, Py_ssize_t steps) noexcept nogil:
    laid.first, place = <Py_ssize_t *>place, place + steps
    laid.stop, place = <Py_ssize_t *>place, place + steps
    laid.of_times, place = <double *>place, place + OF_TIMES * steps
    laid.time, place = place, place + rows + 1
    return place


cdef void _lay_out_stream(
    const int64_t[:, :] times, int32_t stream, const Steps *all, bint early, Room *room
) noexcept nogil:
    """The times of a stream, and the runs of rows in which it got something: one of all of them, or a few."""
    cdef Laid *laid = &room.stream
    cdef Py_ssize_t rows = times.shape[0], row = 0, first, length = 0
    cdef int64_t before = NEVER
    room.run_count = 0
    while row < rows:
        first = row
        while row < rows and times[row, stream] > before:
            before = laid.time[length] = times[row, stream]
            length += 1
            row += 1
        if row > first:
            room.runs[room.run_count].row, room.runs[room.run_count].count = first, row - first
            room.run_count += 1
        while row < rows and times[row, stream] <= before:  # a row that has none, or repeats the time before it
            row += 1
    laid.length = length
    _find_windows(laid, all, early)


cdef const double *_side_by_side(
    const double *cells, Py_ssize_t apart, const int64_t[:, :] begun, Py_ssize_t column, Room *room
) noexcept nogil:
    """A column's cells, so many bytes `apart`, in the rows in which its stream got something; and their start times."""
    cdef Py_ssize_t row, place = 0
    cdef Run *run
    if begun is not None:
        for run in room.runs[: room.run_count]:
            for row in range(run.row, run.row + run.count):
                room.begun[place] = begun[row, column]
                place += 1
    if room.run_count == 1 and apart == sizeof(double):
        return cells + room.runs.row
    place = 0
    for run in room.runs[: room.run_count]:
        if apart == sizeof(double):
            memcpy(room.value + place, cells + run.row, run.count * sizeof(double))
        else:
            for row in range(run.count):
                room.value[place + row] = (<const double *>(<const char *>cells + (run.row + row) * apart))[0]
        place += run.count
    return room.value


cdef bint _all_samples(const double *cells, Py_ssize_t count) noexcept nogil:
    """Whether each cell is a sample. Mostly there is no NaN, of which those are two that are none."""
    cdef const uint64_t *bits = <const uint64_t *>cells
    cdef uint64_t met = 0
    cdef Py_ssize_t each, odd = 0
    for each in range(count):
        met |= (bits[each] & UNSIGNED) + BEYOND
    if met >> 63:
        for each in range(count):
            odd += (bits[each] == ABSENT) | (bits[each] == STALE)
    return odd == 0


cdef void _lay_out_column(
    const double *cells, bint endings, const Steps *all, bint early, Room *room
) noexcept nogil:
    """Lay a column's own samples side by side; with `endings` among them where the series ended."""
    cdef Laid *laid = &room.column
    cdef Py_ssize_t each, count = 0
    cdef uint64_t bits
    for each in range(room.stream.length):
        bits = (<const uint64_t *>cells)[each]
        room.value[count] = cells[each]
        room.begun[count] = room.begun[each]
        laid.time[count] = room.stream.time[each]
        count += (bits != ABSENT) & ((bits != STALE) | endings)
    laid.length = count
    _find_windows(laid, all, early)


cdef void _find_windows(Laid *laid, const Steps *all, bint early) noexcept nogil:
    """Which samples each window holds. Edges rise from step to step, mostly by as many samples as the last time.

    With `early`, what is at a window's very end counts among what is after it.
    """
    cdef Py_ssize_t step, first = 0, stop = 0, by_first = 0, by_stop = 0, place
    laid.known, laid.samples = False, 0
    for step in range(all.count):
        place = _later(laid, first, by_first, all.starts[step])
        first, by_first = place, place - first
        place = _later(laid, max(first, stop), by_stop, all.ends[step] - early)
        stop, by_stop = place, place - stop
        laid.first[step], laid.stop[step] = first, stop
        laid.samples += stop - first


cdef inline Py_ssize_t _later(const Laid *laid, Py_ssize_t place, Py_ssize_t guess, int64_t moment) noexcept nogil:
    """The first sample after a moment, from a place on; the guess is how many there are until then."""
    guess += place
    if place < guess < laid.length and laid.time[guess - 1] <= moment < laid.time[guess]:
        return guess
    while place < laid.length and laid.time[place] <= moment:
        place += 1
    return place


cdef void _put(
    const Room *room, double[:, ::1] into, uint8_t[:, ::1] present, const int64_t[::1] places, Py_ssize_t column,
    Py_ssize_t left, Py_ssize_t right,
) noexcept nogil:
    """Write the results of some columns to their places, which mostly lie side by side."""
    cdef Py_ssize_t step, each, place, count = right - left, first = column + _place(places, left)
    cdef bint lie_so = True
    if places is not None:
        for each in range(left, right):
            lie_so &= places[each] == places[left] + each - left
    for step in range(into.shape[0]):
        if lie_so:
            memcpy(&into[step, first], room.results + step * TILE, count * sizeof(double))
            memcpy(&present[step, first], room.here + step * TILE, count)
            continue
        for each in range(count):
            place = column + _place(places, left + each)
            into[step, place] = room.results[step * TILE + each]
            present[step, place] = room.here[step * TILE + each]


cdef inline Py_ssize_t _place(const int64_t[::1] places, Py_ssize_t column) noexcept nogil:
    return column if places is None else places[column]
