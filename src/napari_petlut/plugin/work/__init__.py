"""The block that is worked on, and what runs on it in the background."""
