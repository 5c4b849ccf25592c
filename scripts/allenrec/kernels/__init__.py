"""Kernels: the functions that numba compiles. They are compiled once, for all checkouts of a user."""
