"""The nouns of the project: configs, studies, trials, records, seeds. Imports nothing of ours but errors."""
