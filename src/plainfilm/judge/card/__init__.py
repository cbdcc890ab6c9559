"""The model card and the reporting checklists of a run, filled in with what its files say, and with nothing else."""
