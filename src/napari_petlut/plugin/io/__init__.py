"""Files and samples in and out of the viewer."""
