"""A function of range vectors over many series: each column's samples are laid side by side, then window after window.

The kernels themselves are in the files beside this one. None of this holds Python's lock.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from ruler.kernels.windows cimport differences, edges, folds, ordered
from ruler.kernels.windows.window cimport OF_TIMES, Kernel, Window

cdef int64_t ABSENT = 0x7FF4746F6373696E
cdef int64_t STALE = 0x7FF0000000000002
cdef int64_t NEVER = INT64_MIN

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


cdef enum:
    TILE = 8  # columns whose results are written together: a line of the cache


cdef struct Laid:
    # The samples of a column, or of all columns of a stream that have all of the stream's samples.
    Py_ssize_t length
    int64_t *time
    Py_ssize_t *row     # of each sample
    Py_ssize_t *first   # of each window
    Py_ssize_t *stop


cdef struct Room:
    # One piece of memory for all that is laid out.
    char *memory
    Laid stream, column
    double *value
    int64_t *begun
    double *kept
    Py_ssize_t *places
    double *of_times
    double *results     # [tile x steps]
    uint8_t *here


cdef struct Edges:
    const int64_t *starts
    const int64_t *ends
    Py_ssize_t steps
    bint moving         # whether each step has its own
    int64_t early       # by how much windows end before `ends`


def sweep(
    str name,
    const double[:, :] values,
    const int64_t[:, :] times,
    const int32_t[::1] stream_of,
    const int64_t[:, :] begun,
    const int64_t[::1] now,
    const int64_t[::1] starts,
    const int64_t[::1] ends,
    int64_t reach,
    const double[:, ::1] scalars,
    double[:, :] into,
    uint8_t[:, :] present,
    const int64_t[::1] places,
    *,
    bint endings=False,
    int64_t lookback=0,
    bint smoothed=False,
):
    """Write what a kernel makes of each window of each column to `into[step, places[column]]`, with where it is.

    `values` and `times` are those of a Block (times of its streams), `begun` its start times or None. Windows are
    (start, end] [steps or 1], `now` the moments [steps or 1], `scalars` the function's other arguments [steps or 1 x
    arguments]. With `endings` the kernel is shown where a series ended, else those cells are no samples. Extended
    windows look `lookback` ms beyond their edges. Gives how many samples all windows hold, and how many results there
    are.
    """
    cdef Kernel kernel = <Kernel><size_t>KERNELS[name]
    cdef Py_ssize_t rows = values.shape[0], columns = values.shape[1], steps = into.shape[0]
    cdef Py_ssize_t column, step, each, left = 0, found = 0
    cdef int64_t samples = 0
    cdef int32_t stream = -1
    cdef bint now_moves = now.shape[0] > 1, scalars_move = scalars.shape[0] > 1, clean
    cdef Laid *laid
    cdef Edges edges
    cdef Window w
    cdef Room room = _room(rows, steps)
    edges.starts, edges.ends, edges.steps, edges.moving = &starts[0], &ends[0], steps, ends.shape[0] > 1
    edges.early = 1 if smoothed and reach else 0  # what is at the very end counts among what is after it
    w.room, w.places, w.of_times = room.kept, room.places, room.of_times
    w.begun = NULL if begun is None else room.begun
    w.reach, w.lookback, w.smoothed, w.steps = reach, lookback, smoothed, steps
    with nogil:
        while left < columns:
            for column in range(left, min(left + TILE, columns)):
                if stream_of[column] != stream:
                    stream = stream_of[column]
                    _lay_out_stream(times, stream, &edges, &room.stream)
                    w.known = False
                w.value = _all_samples(values, column, &room)
                clean = w.value != NULL
                if not clean:
                    w.value = room.value
                    _lay_out_column(values, column, endings, &edges, &room)
                    w.known = False
                laid = &room.stream if clean else &room.column
                if begun is not None:
                    for each in range(laid.length):
                        room.begun[each] = begun[laid.row[each], column]
                w.time, w.length = laid.time, laid.length
                w.low = w.high = w.reached = 0
                for step in range(steps):
                    each = step if edges.moving else 0
                    w.start, w.end, w.first, w.stop = starts[each], ends[each], laid.first[each], laid.stop[each]
                    w.now = now[step if now_moves else 0]
                    w.scalar = &scalars[step if scalars_move else 0, 0] if scalars.shape[1] else NULL
                    w.step = step
                    samples += w.stop - w.first
                    each = (column - left) * steps + step
                    room.here[each] = kernel(&w, &room.results[each])
                    found += room.here[each]
                w.known = clean
            for step in range(steps):
                for column in range(left, min(left + TILE, columns)):
                    into[step, places[column]] = room.results[(column - left) * steps + step]
                    present[step, places[column]] = room.here[(column - left) * steps + step]
            left += TILE
    free(room.memory)
    return samples, found


cdef Room _room(Py_ssize_t rows, Py_ssize_t steps) except *:
    cdef Room room
    cdef size_t numbers = 8 * <size_t>(rows + 1) + (4 + OF_TIMES + TILE) * <size_t>steps
    room.memory = <char *>malloc(numbers * 8 + TILE * steps)
    if room.memory == NULL:
        raise MemoryError(f"a column of {rows} rows")
    cdef int64_t *place = <int64_t *>room.memory
    room.stream.time, place = place, place + rows + 1
    room.stream.row, place = <Py_ssize_t *>place, place + rows + 1
    room.stream.first, place = <Py_ssize_t *>place, place + steps
    room.stream.stop, place = <Py_ssize_t *>place, place + steps
    room.column.time, place = place, place + rows + 1
    room.column.row, place = <Py_ssize_t *>place, place + rows + 1
    room.column.first, place = <Py_ssize_t *>place, place + steps
    room.column.stop, place = <Py_ssize_t *>place, place + steps
    room.value, place = <double *>place, place + rows + 1
    room.begun, place = place, place + rows + 1
    room.kept, place = <double *>place, place + rows + 1
    room.places, place = <Py_ssize_t *>place, place + rows + 1
    room.of_times, place = <double *>place, place + OF_TIMES * steps
    room.results, place = <double *>place, place + TILE * steps
    room.here = <uint8_t *>place
    return room


cdef void _lay_out_stream(const int64_t[:, :] times, int32_t stream, const Edges *edges, Laid *laid) noexcept nogil:
    """The rows in which a stream got something."""
    cdef Py_ssize_t row, length = 0
    cdef int64_t time, before = NEVER
    for row in range(times.shape[0]):
        time = times[row, stream]
        laid.time[length], laid.row[length] = time, row
        # A row that repeats the time before it, or has none, got nothing.
        length += time > before
        before = max(time, before)
    laid.length = length
    _find_windows(edges, laid)


cdef const double *_all_samples(const double[:, :] values, Py_ssize_t column, Room *room) noexcept nogil:
    """The cells of a column in all rows in which its stream got something; NULL unless each of them is a sample."""
    cdef Py_ssize_t each, odd = 0, count = room.stream.length
    cdef int64_t bits
    cdef double value
    cdef const double *cells
    if count == values.shape[0] and values.strides[0] == <Py_ssize_t>sizeof(double) and count:
        cells = &values[0, column]
        for each in range(count):
            odd += cells[each] != cells[each]  # NaN, as are the patterns of what is no sample
        if odd == 0:
            return cells
    odd = 0
    for each in range(count):
        value = values[room.stream.row[each], column]
        bits = (<int64_t *>&value)[0]
        room.value[each] = value
        odd += (bits == ABSENT) | (bits == STALE)
    return room.value if odd == 0 else NULL


cdef void _lay_out_column(
    const double[:, :] values,
    Py_ssize_t column,
    bint endings,
    const Edges *edges,
    Room *room,
) noexcept nogil:
    """Lay a column's own samples side by side; with `endings` among them where the series ended."""
    cdef Py_ssize_t each, row, count = 0
    cdef int64_t bits
    cdef double value
    for each in range(room.stream.length):
        row = room.stream.row[each]
        value = values[row, column]
        bits = (<int64_t *>&value)[0]
        room.value[count] = value
        room.column.time[count] = room.stream.time[each]
        room.column.row[count] = row
        count += (bits != ABSENT) & ((bits != STALE) | endings)
    room.column.length = count
    _find_windows(edges, &room.column)


cdef void _find_windows(const Edges *edges, Laid *laid) noexcept nogil:
    """Which samples each window holds. Edges rise from step to step, mostly by as many samples as the last time."""
    cdef Py_ssize_t step, first = 0, stop = 0, by_first = 0, by_stop = 0, place
    for step in range(edges.steps if edges.moving else 1):
        place = _later(laid, first, by_first, edges.starts[step])
        first, by_first = place, place - first
        place = _later(laid, max(first, stop), by_stop, edges.ends[step] - edges.early)
        stop, by_stop = place, place - stop
        laid.first[step], laid.stop[step] = first, stop


cdef inline Py_ssize_t _later(const Laid *laid, Py_ssize_t place, Py_ssize_t guess, int64_t moment) noexcept nogil:
    """The first sample after a moment, from a place on; the guess is how many there are until then."""
    guess += place
    if place < guess < laid.length and laid.time[guess - 1] <= moment < laid.time[guess]:
        return guess
    while place < laid.length and laid.time[place] <= moment:
        place += 1
    return place
