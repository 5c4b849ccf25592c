"""How the cells of each kind of model are built with NEURON."""
