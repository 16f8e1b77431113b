"""What is true of every Gaussian."""

from __future__ import annotations

from math import log, sqrt

FWHM_PER_SIGMA = sqrt(8 * log(2))
"""Full width at half maximum over standard deviation, ``2 sqrt(2 ln 2)``."""
