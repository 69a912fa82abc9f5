"""The policy of risk: what may be asked, what it is measured by, what stops it."""

from trading_risk.domain.checks import CHECKS, OPERATIONAL_CHECKS, LiveProposal

__all__ = ["CHECKS", "OPERATIONAL_CHECKS", "LiveProposal"]
