"""Series of two vectors paired by their groups."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free


cdef class Pairing:
    """A Pairing is all pairs of a series of the many side and one of the one side that are of the same group."""

    cdef const int64_t[::1] many_group
    cdef Py_ssize_t ones, count
    cdef Py_ssize_t *starts  # where a group's series of the one side are
    cdef Py_ssize_t *series

    def __cinit__(self, const int64_t[::1] many_group, const int64_t[::1] one_group, Py_ssize_t groups):
        cdef Py_ssize_t place, group
        self.many_group, self.ones = many_group, one_group.shape[0]
        self.starts = <Py_ssize_t *>calloc(groups + 2 + self.ones, sizeof(Py_ssize_t))
        if self.starts == NULL:
            raise MemoryError(f"{groups} groups")
        self.series = self.starts + groups + 2
        with nogil:
            for place in range(self.ones):
                self.starts[one_group[place] + 2] += 1
            for group in range(groups):
                self.starts[group + 2] += self.starts[group + 1]
            for place in range(self.ones):
                self.series[self.starts[one_group[place] + 1]] = place
                self.starts[one_group[place] + 1] += 1
            for place in range(many_group.shape[0]):
                self.count += self.starts[many_group[place] + 1] - self.starts[many_group[place]]

    def __dealloc__(self):
        free(self.starts)

    def __len__(self):
        return self.count

    def write(self, int64_t[::1] of_many, int64_t[::1] of_one):
        """Write the pairs, those of each series of the many side together; whether each side comes whole, as it is."""
        cdef Py_ssize_t many, place, pair = 0
        cdef bint all_many = self.count == self.many_group.shape[0], all_one = self.count == self.ones
        if of_many.shape[0] < self.count or of_one.shape[0] < self.count:
            raise ValueError(f"room for {of_many.shape[0]} of {self.count} pairs")
        with nogil:
            for many in range(self.many_group.shape[0]):
                for place in range(self.starts[self.many_group[many]], self.starts[self.many_group[many] + 1]):
                    of_many[pair], of_one[pair] = many, self.series[place]
                    all_many &= pair == many
                    all_one &= pair == self.series[place]
                    pair += 1
        return bool(all_many), bool(all_one)
