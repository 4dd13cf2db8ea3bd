"""Benchmarking and ablation harness for neural networks: a study in, a verdict out."""

import os

__version__ = "0.1.0"

# MKL may sum in another order where a matrix lies elsewhere in memory, as a model's does in a stack: on AMD
# processors a trial alone then differs from itself. This asks for one order, at the same speed; MKL reads
# it at its first product, so it has to be said before.
os.environ.setdefault("MKL_CBWR", "AUTO")
