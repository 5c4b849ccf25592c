"""The spikes of units: random processes, imported spike trains, synchrony."""
