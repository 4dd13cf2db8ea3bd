"""What can be swept, one table a kind: data, networks, activations, inits, optimizers, schedules, losses."""
