"""Tables of numbers inside files of many containers, read some rows at a time; one module a container."""
