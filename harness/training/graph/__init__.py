"""A stacked step as a recorded graph of tensor operations, made cheaper to run."""
