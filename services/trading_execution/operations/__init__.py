"""What execution can do, by subject.

`tx` first: part of one transaction. `desk` first: acts on the broker, between two
transactions.
"""
