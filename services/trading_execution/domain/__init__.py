"""The policy of execution: pure functions and tables."""
