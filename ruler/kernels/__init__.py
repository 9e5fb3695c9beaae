"""Inner loops over columns of samples, compiled: what arrays would need many passes for is done here in one."""
