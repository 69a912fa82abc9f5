"""Where prices come from, and every question about them that has a market time."""
