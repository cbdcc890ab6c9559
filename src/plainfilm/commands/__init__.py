"""The commands: each parses what was typed, calls one job, and hands the answer to output.py."""
