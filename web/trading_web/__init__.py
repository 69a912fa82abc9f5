"""The gateway: the dashboard's pages, their live updates, and the halt button.

It owns no data. It reads the six services over HTTP, hears their events, and asks
them to act; it has no database and no broker keys.
"""
