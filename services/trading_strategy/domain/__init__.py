"""The policy of strategies: what a decision is, and what differs between versions."""
