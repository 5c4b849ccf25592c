"""Formats of recordings: each writer takes a plan and its blocks, in order, and writes one format."""
