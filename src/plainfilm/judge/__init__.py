"""From scores to a verdict: what a table of predictions is worth, with intervals, and the report that says so."""
