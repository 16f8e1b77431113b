"""Names for the arrays that travel between the rooms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
LabelArray = npt.NDArray[np.int32]
StatusArray = npt.NDArray[np.str_]
