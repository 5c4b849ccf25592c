"""Kinds of models: how the folder of each kind is recognised, read, checked and described. None of this needs NEURON."""
