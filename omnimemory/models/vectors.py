"""What every embedder's answer must be before anything relies on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from omnimemory.core.errors import ModelError
from omnimemory.models.base import Vectors


def unit_rows(rows: ArrayLike, *, count: int, dimensions: int, source: str) -> Vectors:
    """``rows`` as float32 of shape (count, dimensions), each row of length 1; zero rows stay zero.

    Raises:
        ModelError: another shape, or a number that is not finite. ``source`` names the embedder.
    """
    if count == 0:
        return np.zeros((0, dimensions), dtype=np.float32)
    try:
        vectors = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError) as exc:
        raise ModelError(f"{source} returned something else than {count} equally long vectors") from exc
    if vectors.ndim != 2 or len(vectors) != count:
        raise ModelError(f"{source} returned an array of shape {vectors.shape} for {count} texts")
    if vectors.shape[1] != dimensions:
        raise ModelError(
            f"{source} returned vectors of {vectors.shape[1]} numbers where {dimensions} are expected; "
            f"set EMBEDDING_DIMENSIONS={vectors.shape[1]} and reindex, or use the model they were built with"
        )
    if not np.isfinite(vectors).all():
        raise ModelError(f"{source} returned a vector that holds NaN or infinity")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def weighted_mean(vectors: Vectors, weights: Sequence[float]) -> Vectors:
    """The weighted mean of the rows, of length 1 (or zero): shape (dimensions,)."""
    mean: Vectors = np.average(vectors, axis=0, weights=weights).astype(np.float32)
    length = float(np.linalg.norm(mean))
    return mean / np.float32(length) if length > 0 else mean


def directed(vectors: Vectors) -> Vectors:
    """Every row of length 1: a zero row, a text in which an embedder knows nothing, gets the first axis.

    Stores hold no vector without a direction; such a text is found by its words.
    """
    blank = ~vectors.any(axis=1)
    if blank.any():
        vectors = vectors.copy()
        vectors[blank, 0] = 1.0
    return vectors
