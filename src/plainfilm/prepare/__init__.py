"""From a folder of films to a manifest: reading, finding twins, splitting, looking; and films drawn for practice."""
