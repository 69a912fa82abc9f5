"""Risk's connections to the outside."""
