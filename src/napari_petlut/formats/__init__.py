"""Bytes to model and back; one module per file kind. Knows nothing of analysis."""
