"""Model to model: the science. Knows nothing of files."""
