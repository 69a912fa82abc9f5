"""Notification's connections to the outside."""
