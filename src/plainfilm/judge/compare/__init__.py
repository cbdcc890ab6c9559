"""One network against another: who takes part, on which films, what differs, and whether the difference is real."""
