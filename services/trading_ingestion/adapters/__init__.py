"""Feeds, each by its vendor."""
