"""Arrays of counts out of files of many kinds; one module a kind, and what they share."""
