"""The schedule of the search, and how doubtful places are mended."""
