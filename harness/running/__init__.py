"""The one loop that joins planning, training and records."""
