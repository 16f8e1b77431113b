"""A lattice fitted to a map as a mixture of tied Gaussians, judged, and held against others."""
