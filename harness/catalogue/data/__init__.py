"""Data sets: one file a set, one line in the table."""
