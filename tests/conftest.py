"""What all tests share."""

from hypothesis import settings

# The first call of a compiled function takes a second: no time limit per example; same examples each time.
settings.register_profile("petlut", deadline=None, derandomize=True)
settings.load_profile("petlut")
