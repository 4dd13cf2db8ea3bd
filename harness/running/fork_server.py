"""What the server that workers are forked from imports. It has no threads and opens no GPU.

It never hears Ctrl-C, which is its workers' driver's to handle, and goes when that does.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)

import harness.running.job  # noqa: E402, F401
from harness.training import products  # noqa: E402

products.by_numpy()  # looked up once for all workers
