"""Benchmarking and ablation harness for neural networks: a study in, a verdict out."""

__version__ = "0.1.0"
