"""The append-only store on disk, and its MLflow mirror."""
