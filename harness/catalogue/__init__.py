"""What can be swept: data sets, networks, activations, inits, optimizers, schedules, losses, metrics. One table a kind."""
