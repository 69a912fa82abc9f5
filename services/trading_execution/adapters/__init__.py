"""Brokers, each by its vendor."""
