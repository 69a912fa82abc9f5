"""Alpaca in a box: a broker and a market that speak Alpaca's REST and stream protocols.

A program of its own. It has its own clock, its own prices (generated from a seed, or
replayed from a file) and its own storage, and knows nothing of who trades on it.
"""
