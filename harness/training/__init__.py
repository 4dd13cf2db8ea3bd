"""A stack of trials in, an iterator of records out."""
