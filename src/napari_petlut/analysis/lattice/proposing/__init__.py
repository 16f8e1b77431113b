"""Those who make lattices that might be better; none of them decides."""
