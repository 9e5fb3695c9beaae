"""A stream of bytes as lines, many at a time; a line is bounded, and so is what is held of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ruler.transfer.series import BadLine, shown

MAX_LINE = 10 << 20  # VictoriaMetrics's bound for a line of an import


Batch = tuple[int, list[bytes]]  # the number of the first line, and lines without their ends


def batches(chunks: Iterable[bytes], max_line: int = MAX_LINE) -> Iterator[Batch]:
    """What each chunk completes. Lines count from 1; raises BadLine."""
    number, held, size = 1, list[bytes](), 0
    for chunk in chunks:
        head, end, tail = chunk.rpartition(b"\n")
        if end:
            lines = b"".join((*held, head)).split(b"\n")
            if size + len(head) > max_line:
                _check(lines, number, max_line)
            if lines[0].endswith(b"\r"):
                lines = [line.removesuffix(b"\r") for line in lines]
            yield number, lines
            number += len(lines)
            held, size = [], 0
        held.append(tail)
        size += len(tail)
        if size > max_line:
            raise _too_long(number, max_line)
    if size:
        yield number, [b"".join(held).removesuffix(b"\r")]


def _check(lines: list[bytes], number: int, max_line: int) -> None:
    for place, line in enumerate(lines):
        if len(line) > max_line:
            raise _too_long(number + place, max_line)


def _too_long(number: int, max_line: int) -> BadLine:
    return BadLine(f"longer than {max_line} bytes", line=number)


def whole_rows(found: Iterable[Batch], max_row: int = MAX_LINE) -> Iterator[Batch]:
    """The same lines, but those of a CSV row with line ends in quotes as one, followed by empty ones in their stead."""
    pending: list[bytes] = []  # lines of a row whose quotes are open
    number = 0
    for first, lines in found:
        number, rows = first - len(pending), pending + lines
        marked = [place for place, line in enumerate(rows) if line.count(b'"') & 1]
        for begin, end in zip(marked[::2], marked[1::2], strict=False):
            rows[begin : end + 1] = [b"\n".join(rows[begin : end + 1]), *[b""] * (end - begin)]
        whole = marked[-1] if len(marked) & 1 else len(rows)
        pending = rows[whole:]
        if sum(map(len, pending)) > max_row:
            raise _too_long(number + whole, max_row)
        yield number, rows[:whole]
        number += whole
    if pending:
        raise BadLine(f"quotes that do not end: {shown(pending[0])}", line=number)


def gathered(pieces: Iterable[bytes], size: int = 1 << 16) -> Iterator[bytes]:
    """The same bytes in pieces of at least `size`, but for the last."""
    held: list[bytes] = []
    total = 0
    for piece in pieces:
        held.append(piece)
        total += len(piece)
        if total >= size:
            yield b"".join(held)
            held, total = [], 0
    if held:
        yield b"".join(held)
