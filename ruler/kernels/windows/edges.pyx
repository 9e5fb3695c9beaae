"""`anchored` and `smoothed`: windows that look beyond their edges, as far as the lookback. Nothing is extrapolated.

An anchored window begins with the last sample at or before its start. A smoothed one has the value at either edge drawn
on the line between the samples around it; a sample at its very end counts among those after it.
"""

from libc.stdint cimport int64_t

from ruler.kernels.windows.differences cimport changes, differs, lost, resets
from ruler.kernels.windows.window cimport Column, Window

cdef struct Edges:
    double left, right  # the values where the window begins and ends
    bint present


cdef Py_ssize_t _before(const Column *c, const Window *w) noexcept nogil:
    """The sample before the window, -1 when there is none near enough."""
    return w.first - 1 if w.first > 0 and c.time[w.first - 1] > w.start - c.lookback else -1


cdef Py_ssize_t _after(const Column *c, const Window *w) noexcept nogil:
    """The sample after the window, -1 when there is none near enough."""
    return w.stop if w.stop < c.length and c.time[w.stop] <= w.end + c.lookback else -1


cdef double _drawn(
    const Column *c, Py_ssize_t older, Py_ssize_t newer, int64_t moment, bint counter
) noexcept nogil:
    """The value at a moment, on the line between two samples; a counter that fell between them rose from zero."""
    cdef double base = 0 if counter and c.value[newer] < c.value[older] else c.value[older]
    return base + (c.value[newer] - base) * (moment - c.time[older]) / (c.time[newer] - c.time[older])


cdef Edges _edges(const Column *c, const Window *w, bint counter) noexcept nogil:
    cdef bint inside = w.stop > w.first
    cdef Py_ssize_t before = _before(c, w), after = _after(c, w) if c.smoothed else -1
    cdef Py_ssize_t opening = w.first if inside else after, closing = w.stop - 1 if inside else before
    cdef Edges edges
    edges.left = edges.right = 0
    edges.present = inside or (after >= 0 and (before >= 0 or c.time[after] == w.end))
    if not edges.present:
        return edges
    edges.left = c.value[before if before >= 0 else opening]
    edges.right = c.value[after if after >= 0 else closing]
    if c.smoothed and before >= 0 and c.time[before] < w.start and opening >= 0:
        edges.left = _drawn(c, before, opening, w.start, counter)
    if after >= 0 and c.time[after] > w.end and closing >= 0:
        edges.right = _drawn(c, closing, after, w.end, counter)
    return edges


cdef bint extended_increase(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Edges edges = _edges(c, w, True)
    cdef bint inside = w.stop > w.first
    cdef double restarted = edges.left if inside and c.value[w.first] < edges.left else 0
    cdef double last = c.value[w.stop - 1] if inside else edges.left
    restarted = lost(c, restarted, w.first, w.stop)
    restarted += last if edges.right < last else 0
    result[0] = edges.right - edges.left + restarted
    return edges.present


cdef bint extended_rate(Column *c, const Window *w, double *result) noexcept nogil:
    cdef bint found = extended_increase(c, w, result)
    result[0] /= c.reach / <double>1000
    return found


cdef bint extended_delta(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Edges edges = _edges(c, w, False)
    result[0] = edges.right - edges.left
    return edges.present


cdef bint extended_changes(Column *c, const Window *w, double *result) noexcept nogil:
    """The changes within the window, and that to its first sample from the one that it is anchored to."""
    cdef Edges edges = _edges(c, w, False)
    if not changes(c, w, result):
        return False
    result[0] += differs(edges.left, c.value[w.first])
    return True


cdef bint extended_resets(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Edges edges = _edges(c, w, False)
    if not resets(c, w, result):
        return False
    result[0] += c.value[w.first] < edges.left
    return True


cdef bint left_edge(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Edges edges = _edges(c, w, False)
    result[0] = edges.left
    return edges.present


cdef bint right_edge(Column *c, const Window *w, double *result) noexcept nogil:
    cdef Edges edges = _edges(c, w, False)
    result[0] = edges.right
    return edges.present


cdef bint smoothed(Column *c, const Window *w, double *result) noexcept nogil:
    """The value at a moment: a sample's, one on the line between two, or the last while no other follows."""
    cdef Py_ssize_t before = _before(c, w), after = _after(c, w)
    if before < 0:
        return False
    result[0] = c.value[before]
    if after >= 0 and c.time[before] < w.end:
        result[0] = _drawn(c, before, after, w.end, False)
    return True
