"""The variance over the last axis of an array, of the values that are there: one after the other, or all at once."""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray


def variance_in_order(values: FloatArray, here: BoolArray) -> FloatArray:
    """By Welford's method, to the bit as Prometheus does it."""
    mean, squares, count = (np.zeros(values.shape[:-1]) for _ in range(3))
    for place in range(values.shape[-1]):
        value, present = values[..., place], here[..., place]
        opening = present & (count == 0)
        count += present
        apart = value - mean
        moved = mean + apart / count
        squares = np.where(present & ~opening, squares + apart * (value - moved), squares)
        mean = np.where(opening, value, np.where(present, moved, mean))
        squares = np.where(opening & ~np.isfinite(value), np.nan, squares)
    return squares / count


def variance_about_mean(values: FloatArray, here: BoolArray) -> FloatArray:
    """From the mean, found first; values are measured from one of them, so that equal ones have no variance at all."""
    count = here.sum(axis=-1)
    origin = np.take_along_axis(values, here.argmax(axis=-1)[..., np.newaxis], axis=-1)
    apart = np.where(here, values - origin, 0.0)
    mean = apart.sum(axis=-1) / count
    apart = np.where(here, apart - mean[..., np.newaxis], 0.0)
    return np.asarray((apart * apart).sum(axis=-1) / count)
