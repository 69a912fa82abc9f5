"""The strategies, one file each: a file here is all that a new one needs."""
