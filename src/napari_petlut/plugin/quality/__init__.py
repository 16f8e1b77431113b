"""How good a block is, shown in the viewer."""
