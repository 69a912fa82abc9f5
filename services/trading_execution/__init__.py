"""Execution: hands approved orders to the broker, and keeps the books.

Owns the orders and their attempts, executions (`trades`), the ledger, positions,
account snapshots and reconciliations. Hears `risk.order_approved`,
`risk.trading_state_changed` and `ingestion.bars_ingested`. Says what becomes of every
order, how positions change, what the account is worth, and whether the books agree with
the broker's.

An order is never lost and never doubled: its intent is committed before the broker is
called, the call is never repeated blindly, and what is unclear is looked up.
"""
