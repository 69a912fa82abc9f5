"""What services say to each other: one module per service that speaks.

An event is a fact that the speaker published; a view is an answer over HTTP.
"""
