"""Weights as whole numbers: rounded one after another, each making good the error of those before.

Rounding every weight to the nearest level leaves an error that adds up over correlated inputs. GPTQ rounds column by column and
moves what is lost to the columns that are still free, by the second moment of what the layer is given.
Source: Frantar et al., "GPTQ", ICLR 2023, after Hassibi & Stork's optimal brain surgeon, 1993.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.lapack import dtrtri

Matrix = NDArray[np.float64]
LEVELS = 64  # either side of 0: see quantise.py why not 127
_BLOCK = 128  # columns between two updates of all that follow
_DAMPING = 1e-4  # of the mean square, added to every input's: keeps inputs that never vary from dividing by 0


def steps_of(weight: Matrix) -> Matrix:
    """The size of one level for each row of (O, I) weights: its largest weight becomes LEVELS. (O, 1), above 0."""
    largest = np.abs(weight).max(axis=1, keepdims=True)
    return np.where(largest > 0, largest, 1.0) / LEVELS


def nearest(weight: Matrix, step: Matrix) -> Matrix:
    """(O, I) weights at the nearest level, in the weights' own unit."""
    return np.asarray(np.clip(np.rint(weight / step), -LEVELS, LEVELS) * step)


def compensated(weight: Matrix, step: Matrix, moment: Matrix) -> Matrix:
    """(O, I) weights at levels that keep the layer's output close, in the weights' own unit.

    step: (O, 1), the size of a level. moment: (I, I), the mean of x x' over the inputs x that the layer is given.
    """
    order = np.argsort(-np.diag(moment), kind="stable")
    left = np.ascontiguousarray(weight[:, order].T)  # (I, O): an input's weights lie side by side
    chosen = np.empty_like(left)
    spread = _inverse_factor(moment[np.ix_(order, order)])
    for start in range(0, len(left), _BLOCK):
        stop = min(start + _BLOCK, len(left))
        lost = np.empty((stop - start, left.shape[1]))
        for place in range(start, stop):
            chosen[place] = nearest(left[place, :, None], step)[:, 0]
            lost[place - start] = (left[place] - chosen[place]) / spread[place, place]
            left[place:stop] -= np.outer(spread[place, place:stop], lost[place - start])
        left[stop:] -= spread[start:stop, stop:].T @ lost
    back = np.empty_like(weight)
    back[:, order] = chosen.T
    return back


def _inverse_factor(moment: Matrix) -> Matrix:
    """The upper triangular U with U'U the inverse of the moment, damped."""
    damped = moment + _DAMPING * max(float(np.trace(moment)) / len(moment), 1e-12) * np.eye(len(moment))
    # H = M M' with M upper triangular is Cholesky's factor of H read backwards; then U is the inverse of M.
    backwards = cholesky(damped[::-1, ::-1], lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = dtrtri(backwards[::-1, ::-1], lower=0)
    return np.asarray(inverse)
