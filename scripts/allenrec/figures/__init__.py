"""Figures, with a module for each kind of thing that they show.

`register` lists all figures, `drawings` the rules that draw them, and `draw` draws what these say. Each function that draws
takes data and returns a `matplotlib.figure.Figure`. None of them uses pyplot or the global state of matplotlib, and only
`style.save` writes files.
"""
