"""The command `petlut`."""
