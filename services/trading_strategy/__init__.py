"""Turns bars into decisions: runs every enabled strategy on every symbol and bar.

Owns the schema `strategy_engine`. Hears the bars that ingestion stored; says which
signals they gave, and that a batch was decided.
"""
