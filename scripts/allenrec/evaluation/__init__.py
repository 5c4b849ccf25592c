"""The evaluation of spike sorters: how well they recover the ground truth."""
