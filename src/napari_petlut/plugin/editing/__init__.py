"""A Points layer edited by a person, and everything that follows it."""
