"""A run on films from elsewhere: what it loses there, what it never saw, and what leaving a source out of training shows."""
