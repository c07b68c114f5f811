"""Gauss-Legendre nodes on [0, 1]: how multilinear extensions are integrated exactly."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["gauss_legendre"]


@lru_cache(maxsize=256)
def gauss_legendre(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights, each of shape (n,), exact on [0, 1] for polynomials of degree 2n - 1. Read-only."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    nodes, weights = (nodes + 1.0) / 2.0, weights / 2.0
    nodes.setflags(write=False)
    weights.setflags(write=False)
    return nodes, weights
