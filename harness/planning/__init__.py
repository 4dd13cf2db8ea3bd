"""Study to arms to trials; Optuna ask and tell; power and cost before launch."""
