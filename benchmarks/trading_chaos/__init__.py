"""Proof by damage: the system is killed and lied to from a seed, and then judged."""
