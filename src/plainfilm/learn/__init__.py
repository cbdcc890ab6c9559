"""The only room with torch: films to tensors, networks, training, scores of a trained network."""
