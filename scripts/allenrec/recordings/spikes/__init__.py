"""When units fire: processes, imported spike trains, synchrony."""
