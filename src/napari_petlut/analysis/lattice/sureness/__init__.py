"""How sure a lattice is: its rivals, its regularity, which crystals are dead or merged, and the trees."""
