"""Sizes are powers of 1,024, read as Prometheus reads them and written as Go writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("10MB", 10 << 20), ("1KiB", 1024), ("1GB512MB", (1 << 30) + (512 << 20)), ("5B", 5)]
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    """Units mean what Prometheus's Base2Bytes means."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "5", "-1GB", "1.5GB", "1gb", "1 GB", "GB", "1GB "])
def test_a_size_needs_its_unit(text: str) -> None:
    """A bare number, a fraction, a sign or another case is refused with what would be right."""
    with pytest.raises(ValueError, match=r"not a size: .* \(write it like 10MB\)"):
        parse_size(text)


@given(st.integers(0, (1 << 63) - 1))
def test_what_is_written_reads_back(size: int) -> None:
    """No size loses a byte in its text."""
    assert size == parse_size(format_size(size))


def test_sizes_are_written_as_go_writes_them() -> None:
    """The units have the i, and none is left out."""
    assert ["0B", "5B", "1KiB", "1GiB512MiB"] == [format_size(size) for size in (0, 5, 1024, 3 << 29)]
