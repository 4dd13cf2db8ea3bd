"""Records to outcomes to estimates, gates and verdicts. Never imports torch, optuna or mlflow."""
