from libc.stdint cimport int32_t, uint64_t

cdef struct Piece:
    uint64_t key  # which column, and the value's code there
    size_t begin
    size_t length  # 0: there is none

cdef class LabelSets:
    cdef const int32_t[:, :] codes
    cdef object text
    cdef tuple names
    cdef char *texts     # the pieces, end to end
    cdef size_t size, room
    cdef Piece *pieces   # those that are known, at what their keys scatter to
    cdef size_t known, mask
    cdef Piece *current  # those of the series that was turned to, one of each column

    cdef size_t turn(self, Py_ssize_t series) except 0 nogil
    cdef char *write(self, char *at) noexcept nogil
    cdef Piece *_known(self, uint64_t key) except NULL nogil
    cdef Piece *_place(self, uint64_t key) noexcept nogil
    cdef Piece *_made(self, uint64_t key) except NULL with gil
    cdef int _add_quoted(self, str text) except -1
    cdef int _add(self, const char *text, size_t length) except -1
    cdef int _spread(self) except -1
