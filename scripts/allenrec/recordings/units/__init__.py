"""Which units of a library a recording has, and what they share."""
