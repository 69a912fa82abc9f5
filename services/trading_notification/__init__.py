"""Notification: tells people what matters, and watches how the system is.

Owns the schema `notification`: inbox, deliveries, preferences, health, log summaries.
Hears fills, rejections, unclear orders, noteworthy denials, risk alerts, halts, failing
strategies and data, books that differ, and reports. Says `notification.alert_raised`.
"""
