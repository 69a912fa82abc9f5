"""Risk: sizes signals, approves or denies them, and stops trading when it must.

Owns the schema `risk_management`: limits, trading state, outcomes with every check,
reservations, loss days, breakers and locked symbols. Hears signals, what becomes of
orders, account marks, reconciliations and changes of strategies. Says
`risk.order_approved`, `risk.order_denied`, `risk.trading_state_changed`,
`risk.risk_limit_changed`, `risk.symbol_lock_changed` and `risk.risk_alert_raised`.
"""
