"""The traces of a recording: upsampled templates and their injection, gains, drift, noise and filters."""
