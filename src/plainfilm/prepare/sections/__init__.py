"""The parts of the explore page, one file each; `prepare.explore` puts them in order."""
