"""What a search for settings has found, as one page."""
