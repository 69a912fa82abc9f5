"""Why was something bought, sold, or left alone? The chain from a bar to its profit.

Joined by ids alone. What the command line and the page show is this, and nothing else.
"""

from trading_system.clients import Services
from trading_system.explanation.records import read
from trading_system.explanation.telling import sentence, side_of, steps
from trading_system.explanation.views import Explanation, Standing, Step

__all__ = ["Explanation", "Standing", "Step", "explain", "side_of"]


def explain(services: Services, identifier: str) -> Explanation:
    """Return the chain that an id belongs to.

    The id of a decision, a signal, an order, a round trip, or the correlation id of a
    bar, where the decision that gave a signal comes first.
    """
    found = read(services, identifier)
    return Explanation(
        sentence=sentence(found),
        steps=steps(found),
        decision=found.decision.value,
        bar=found.bar.value,
        outcome=found.outcome.value,
        orders=found.orders.value or [],
        round_trips=found.round_trips.value or [],
    )
