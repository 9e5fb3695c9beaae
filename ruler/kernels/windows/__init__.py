"""Functions of range vectors: windows laid out for each column, and a kernel for each function."""
