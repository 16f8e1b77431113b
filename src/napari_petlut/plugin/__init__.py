"""The only rooms that import napari, Qt or magicgui."""
