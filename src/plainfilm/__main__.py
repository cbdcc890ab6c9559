"""python -m plainfilm is the command plainfilm."""

from plainfilm.cli import main

main()
