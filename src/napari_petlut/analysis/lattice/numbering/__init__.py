"""Points alone: joined to a grid, cut to rows and columns, numbered."""
