"""How well spike sorters recover the ground truth."""
