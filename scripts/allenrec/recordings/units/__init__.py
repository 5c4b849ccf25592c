"""The units of a recording: selection of templates, their similarity and overlaps, and the table of units."""
