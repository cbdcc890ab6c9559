"""What became of a published recipe here, as one page."""
