"""A function of range vectors over many series: each column's samples are laid side by side, then window after window.

The kernels themselves are in the files beside this one. None of this holds Python's lock.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from ruler.kernels cimport differences, edges, folds, ordered
from ruler.kernels.window cimport Kernel, Window

cdef int64_t ABSENT = 0x7FF4746F6373696E
cdef int64_t STALE = 0x7FF0000000000002

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


cdef struct Room:
    # What a column is laid out in: one piece of memory, for as many samples as there are rows.
    int64_t *stamps  # the times of a stream, row by row
    double *value
    int64_t *time
    int64_t *begun
    double *kept
    Py_ssize_t *places
    double *results
    uint8_t *here


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
    windows look `lookback` ms beyond their edges. Gives how many samples all windows hold, and how many results there are.
    """
    cdef Kernel kernel = <Kernel><size_t>KERNELS[name]
    cdef Py_ssize_t rows = values.shape[0], columns = values.shape[1], steps = into.shape[0]
    cdef Py_ssize_t column, step, edge, found = 0
    cdef int64_t samples = 0
    cdef int32_t stream = -1
    cdef Room room
    cdef Window w
    cdef size_t cells = <size_t>(rows + 1) * 6 + steps
    cdef char *memory = <char *>malloc(cells * 8 + steps)
    if memory == NULL:
        raise MemoryError(f"a column of {rows} rows")
    room.stamps = <int64_t *>memory
    room.value = <double *>(room.stamps + rows + 1)
    room.time = <int64_t *>(room.value + rows + 1)
    room.begun = room.time + rows + 1
    room.kept = <double *>(room.begun + rows + 1)
    room.places = <Py_ssize_t *>(room.kept + rows + 1)
    room.results = <double *>(room.places + rows + 1)
    room.here = <uint8_t *>(room.results + steps)
    w.value, w.time, w.room, w.places = room.value, room.time, room.kept, room.places
    w.begun = NULL if begun is None else room.begun
    w.reach, w.lookback, w.smoothed, w.steps = reach, lookback, smoothed, steps
    cdef bint moving = ends.shape[0] > 1, now_moves = now.shape[0] > 1, scalars_move = scalars.shape[0] > 1
    cdef int64_t before_end = 1 if smoothed and reach else 0
    with nogil:
        for column in range(columns):
            if stream_of[column] != stream:
                stream = stream_of[column]
                for step in range(rows):
                    room.stamps[step] = times[step, stream]
            w.length = _laid_out(values, column, begun, endings, &room)
            w.first = w.stop = 0
            w.low = w.high = w.reached = 0
            for step in range(steps):
                edge = step if moving else 0
                w.now = now[step if now_moves else 0]
                w.start, w.end = starts[edge], ends[edge]
                w.scalar = &scalars[step if scalars_move else 0, 0] if scalars.shape[1] else NULL
                w.fresh = step == 0
                while w.first < w.length and w.time[w.first] <= w.start:
                    w.first += 1
                if w.stop < w.first:
                    w.stop = w.first
                while w.stop < w.length and w.time[w.stop] <= w.end - before_end:
                    w.stop += 1
                samples += w.stop - w.first
                room.here[step] = kernel(&w, &room.results[step])
            for step in range(steps):
                into[step, places[column]] = room.results[step]
                present[step, places[column]] = room.here[step]
                found += room.here[step]
    free(memory)
    return samples, found


cdef Py_ssize_t _laid_out(
    const double[:, :] values, Py_ssize_t column, const int64_t[:, :] begun, bint endings, Room *room
) noexcept nogil:
    """Lay a column's samples and their times side by side; how many there are."""
    cdef Py_ssize_t row, count = 0
    cdef double value
    cdef int64_t bits
    for row in range(values.shape[0]):
        value = values[row, column]
        bits = (<int64_t *>&value)[0]
        room.value[count] = value
        room.time[count] = room.stamps[row]
        count += (bits != ABSENT) & ((bits != STALE) | endings)
    if begun is not None:
        count = 0
        for row in range(values.shape[0]):
            value = values[row, column]
            bits = (<int64_t *>&value)[0]
            room.begun[count] = begun[row, column]
            count += (bits != ABSENT) & ((bits != STALE) | endings)
    return count
