"""Figures: one module a kind of thing shown. Each function takes data and returns a `matplotlib.figure.Figure`.

Nothing here uses pyplot or matplotlib's global state, and nothing but `style.save` writes a file.
"""
