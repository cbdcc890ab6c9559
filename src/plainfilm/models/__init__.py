"""What ships inside: the network that finds near twins, and the one that knows a frontal chest film."""
