"""What ships inside: the network that finds near twins, and what an average chest film looks like."""
