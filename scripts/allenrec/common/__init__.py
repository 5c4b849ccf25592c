"""Modules that all stages share."""
