"""How many rows and columns a map has, when nobody says or somebody is wrong."""
