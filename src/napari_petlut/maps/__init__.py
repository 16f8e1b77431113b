"""Arithmetic on a flood map, each mechanism once: binning, noise, the lit part, tops, spots, neighbours.

A room of plain functions on arrays, below `formats` and `analysis`. Compiled loops call compiled functions of
their own file only: Numba's cache looks at the file of the function that is called and at no other, so that
a change elsewhere would leave old machine code in use.
"""
