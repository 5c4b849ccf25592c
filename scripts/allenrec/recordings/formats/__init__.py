"""Formats of recordings: `mearec` takes a plan and its blocks, in order; the others take the file that it wrote, open."""
