"""The data that tests of figures draw, and functions that find what a figure shows."""

import matplotlib
import numpy as np
import probeinterface

#: A probe of two columns, µm
CONTACTS = np.array([[0.0, y, z] for z in np.arange(-60.0, 61.0, 20.0) for y in (-10.0, 10.0)])
#: The sample of the spike and the number of samples in a template, and the sampling frequency, Hz
PEAK, N_T, FS = 64, 224, 32000.0
#: Amplitudes of the templates of the library, µV
AMPLITUDES = np.array([40.0, 60.0, 50.0, 35.0, 80.0, 45.0, 90.0, 32.0, 70.0])


def squares(contacts):
    """A probe with square contacts of 8 µm."""
    probe = probeinterface.Probe()
    probe.set_contacts(contacts[:, 1:], shapes="square", shape_params={"width": 8.0})
    return probe


def centres(drawn):
    """Return the centres of contacts that are drawn, (n, 2)."""
    return np.array([np.unique(path.vertices.round(6), axis=0).mean(axis=0) for path in drawn.get_paths()])


def all_axes(figure):
    """Return the visible axes of a figure."""
    return [axes for axes in figure.findobj(matplotlib.axes.Axes) if axes.axison]


def collections(figure, gid):
    """Return the collections with a `gid` in all axes of a figure."""
    return [c for axes in all_axes(figure) for c in axes.collections if c.get_gid() == gid]


def by_gid(axes, gid):
    """Return all artists in axes with a `gid`."""
    return [artist for artist in axes.findobj(lambda a: a.get_gid() == gid)]
