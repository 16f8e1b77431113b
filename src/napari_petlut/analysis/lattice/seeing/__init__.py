"""The map made ready: cleaned, cut, squared, its spots and its noise, and how it looks along a lattice."""
