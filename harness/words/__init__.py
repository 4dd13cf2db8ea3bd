"""The nouns of the project: configs, studies, trials, records, seeds. Imports nothing else of ours but errors."""
