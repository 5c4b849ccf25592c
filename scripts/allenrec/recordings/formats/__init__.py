"""Formats that hold a recording with its ground truth."""
