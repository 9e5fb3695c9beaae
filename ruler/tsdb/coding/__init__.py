"""How cells and times are compressed, bit for bit: a block of columns in, bytes out."""
