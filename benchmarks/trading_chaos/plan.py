"""What a seed decides: the work, the faults, the kills. Everything is drawn at once."""

import random
from dataclasses import dataclass, field
from typing import Any

SYMBOLS = ("AAPL", "AMD", "BAC", "CSCO", "DIS", "INTC", "JPM", "KO", "WFC", "XOM")
STRATEGIES = ("amber", "birch", "cedar", "dune")
SIDES, SIZES = ("buy", "buy", "sell"), (0.02, 0.04, 0.06, 0.08)
MANY = tuple(f"hot{number:02d}" for number in range(12))

SECONDS = 8.0
"""How long a seed works and is disturbed; then it comes to rest and is judged."""

MOST_LAG = 60
"""Seconds of a clock's jump with which signals still look fresh."""

PROFILES = ("mixed", "hot", "halts", "resting", "replacing")
RATES = {"none": 0.0, "slow": 1.6, "fast": 0.8}
"""Seconds between two random kills, by name."""

SELDOM = (
    "after_claim",
    "before_call",
    "after_call",
    "after_record",
    "before_told",
    "after_booked",
    "after_lookup",
    "after_cancel",
)
OFTEN = (
    "before_booked",
    "before_marked",
    "before_reconciled",
    "before_bell",
    "mid_batch",
)
"""Points that are passed at every turn: alone, or the others would never be met."""

FIRST_START = "before_opening"
POINTS = (FIRST_START, *SELDOM, *OFTEN)

LISTENERS = ("analytics", "notification")
"""Who hears what execution tells; one of them is there in each seed."""

VICTIMS = {
    "execution-1": 6,
    "execution-2": 3,
    "risk": 3,
    "risk-2": 2,
    "exchange": 2,
    "listener": 2,
    "valkey": 1,
    "postgres": 1,
}
CHEAP = ("valkey_flush", "valkey_pause", "valkey_cut", "connections")

PLACING = (
    "429_without_headers",
    "500",
    "502_html",
    "503",
    "duplicate_id",
    "hang_before_accepting",
    "hang_after_accepting",
    "504_after_accepting",
    "reset",
    "truncated",
    "missing_field",
    "unknown_field",
    "retyped_field",
)
READING = ("429", "500", "503", "truncated", "reset", "stale", "retyped_field")
TELLING = (
    "stream_drop",
    "stream_duplicate",
    "stream_delay",
    "stream_mute",
    "stream_reorder",
    "stream_replay",
    "stream_half_open",
)
SILENT = (*TELLING, "stream_refuse", "partial_storm")
"""Faults that leave no line on the tape: only that they were in force is known."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done at a moment of a seed."""

    at: float
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a seed. `crashes` are the points at which each start of a part ends."""

    seed: int
    profile: str
    rate: str
    listener: str
    faults: list[dict[str, Any]]
    acts: list[Act]
    crashes: dict[str, list[str]]


def draw(seed: int) -> Plan:
    """Return what a seed decides; profile, kill rate and listener go round."""
    dice = random.Random(seed)
    profile = PROFILES[seed % len(PROFILES)]
    rate = tuple(RATES)[(seed // len(PROFILES)) % len(RATES)]
    listener = LISTENERS[seed % len(LISTENERS)]
    acts = _work(dice, profile) + _kills(dice, RATES[rate], listener) + _mishaps(dice)
    if profile == "halts" or dice.random() < 0.25:
        acts += _halts(dice)
    first = [f"{FIRST_START}:1"] if dice.random() < 0.3 else []
    # The more often it is killed, the less often it ends itself: it must also work.
    starts = {"none": 6, "slow": 4, "fast": 2}[rate]
    cancels = profile in ("halts", "resting", "replacing")
    crashes = {
        "execution-1": first + _crashes(dice, starts, cancels),
        "execution-2": _crashes(dice, starts, cancels),
        "risk": [f"{name}:{dice.choice((1, 3, 9))}" for name in OFTEN[-2:]],
        "risk-2": [f"mid_batch:{dice.choice((1, 3, 9))}"],
        listener: [f"mid_batch:{dice.choice((1, 3, 9))}"],
    }
    acts.sort(key=lambda act: act.at)
    faults = _faults(dice, profile)
    return Plan(seed, profile, rate, listener, faults, acts, crashes)


def _crashes(dice: random.Random, number: int, cancels: bool) -> list[str]:
    """Return at which points an executor ends, start after start, and then lives."""
    starts = []
    for name in dice.sample(SELDOM, number):
        together = dict.fromkeys((name, *dice.sample(SELDOM, 2)))
        if cancels:
            together["after_cancel"] = None
        counts = [f"{each}:{dice.choice((1, 1, 2))}" for each in together]
        starts.append(",".join(counts))
    if cancels:
        # Beside other points it is hardly ever the first to be met.
        starts.insert(dice.randint(0, number // 2), "after_cancel:1")
    for place in (0, number):
        often = f"{dice.choice(OFTEN)}:{dice.choice((1, 3))}"
        starts.insert(min(place, dice.randint(0, number)), often)
    return starts


def _work(dice: random.Random, profile: str) -> list[Act]:
    acts = []
    moment, number = 0.0, 0
    while moment < SECONDS:
        number += 1
        detail: dict[str, Any] = {"round": number}
        if profile == "hot":
            detail["signals"] = [
                ("BAC", strategy, "buy", 0.1) for strategy in dice.sample(MANY, 4)
            ]
            if number % 4 == 0:
                detail["signals"] += [("BAC", name, "sell", 0.1) for name in MANY]
            acts += [
                Act(moment, "by hand", _by_hand(dice, number * 100 + place, "BAC"))
                for place in range(4)
            ]
        else:
            detail["signals"] = [
                (symbol, strategy, dice.choice(SIDES), dice.choice(SIZES))
                for symbol in dice.sample(SYMBOLS, dice.randint(2, 6))
                for strategy in dice.sample(STRATEGIES, dice.randint(1, 2))
            ]
        acts.append(Act(moment, "signals", detail))
        if profile == "resting":
            resting = _by_hand(dice, number * 100, dice.choice(SYMBOLS))
            acts.append(Act(moment, "by hand", {**resting, "below": 0.028}))
            cancel = {"number": number * 100}
            acts.append(Act(moment + dice.uniform(0.5, 2.5), "cancel by hand", cancel))
        if profile == "replacing":
            acts += _replacing(dice, moment, number * 100)
        moment += dice.uniform(0.3, 0.7)
    return acts


def _replacing(dice: random.Random, moment: float, number: int) -> list[Act]:
    """An order that rests, is changed up to three times, and may be canceled."""
    resting = _by_hand(dice, number, dice.choice(SYMBOLS))
    acts = [Act(moment, "by hand", {**resting, "below": 0.028})]
    for step in range(1, dice.choice((2, 3, 4))):
        moment += dice.uniform(0.4, 1.0)
        change = {
            "number": number,
            "step": step,
            # Nearer, farther, or so high that it is filled at once.
            "below": dice.choice((0.02, 0.024, 0.026, -0.005)),
            "quantity": dice.choice((None, dice.randint(20, 90))),
        }
        acts.append(Act(moment, "replace by hand", change))
    if dice.random() < 0.4:
        # Also while the last change is still under way.
        moment += dice.uniform(0.0, 1.0)
        acts.append(Act(moment, "cancel by hand", {"number": number}))
    return acts


def _by_hand(dice: random.Random, number: int, symbol: str) -> dict[str, Any]:
    return {"number": number, "symbol": symbol, "quantity": dice.randint(20, 90)}


def _kills(dice: random.Random, every: float, listener: str) -> list[Act]:
    acts: list[Act] = []
    moment = every * dice.uniform(0.5, 1.5)
    names, weights = list(VICTIMS), list(VICTIMS.values())
    while every and moment < SECONDS:
        (victim,) = dice.choices(names, weights)
        name = listener if victim == "listener" else victim
        acts.append(Act(moment, "kill", {"victim": name}))
        moment += every * dice.uniform(0.5, 1.5)
    return acts


def _mishaps(dice: random.Random) -> list[Act]:
    """Sleep, jumps of the clock, and small troubles of the databases."""
    acts = []
    chances = {"sleep": 0.6, "jump": 0.5, "market jump": 0.2, "laptop sleep": 0.35}
    for what, chance in chances.items():
        if dice.random() < chance:
            how = _how(dice, what)
            # After a jump this long everything looks stale: nothing new is opened.
            early = SECONDS * 0.8 if how.get("seconds", 0) > MOST_LAG else 0.5
            acts.append(Act(dice.uniform(early, SECONDS), what, how))
    for what in dice.sample(CHEAP, dice.randint(0, 2)):
        acts.append(Act(dice.uniform(0.5, SECONDS), what))
    return acts


def _how(dice: random.Random, what: str) -> dict[str, Any]:
    if what == "sleep":
        awake = ("execution-1", "execution-2", "risk", "risk-2", "exchange")
        victim = dice.choice(awake)
        return {"victim": victim, "seconds": dice.uniform(0.5, 2.5)}
    if what == "laptop sleep":
        return {"seconds": dice.choice((0.5, 1.5, 4.0))}
    if what == "jump":
        return {"seconds": dice.choice((-2.0, 2.0, 30.0, 3600.0))}
    return {"minutes": dice.choice((1, 5, 20))}


def _halts(dice: random.Random) -> list[Act]:
    acts, moment, number = [], dice.uniform(0.8, 2.0), 0
    while moment < SECONDS:
        number += 1
        rest = dice.uniform(0.4, 1.2)
        if dice.random() < 0.2:
            acts.append(Act(moment, "kill file", {"number": number}))
        else:
            level = dice.choice((1, 2, 2, 3))
            acts.append(Act(moment, "halt", {"level": level, "number": number}))
        acts.append(Act(moment + rest, "resume", {"number": number}))
        moment += rest + dice.uniform(0.6, 1.6)
    return acts


def _faults(dice: random.Random, profile: str) -> list[dict[str, Any]]:
    methods = ("POST", "PATCH") if profile == "replacing" else ("POST",)
    placing = [
        {
            "kind": kind,
            "method": method,
            "path": "/v2/orders",
            "probability": dice.uniform(0.12, 0.35),
            # Up to when an order has long been asked for in vain and is sent again.
            "seconds": round(dice.uniform(0.4, 6.5), 2),
            "field": dice.choice(("id", "status", "filled_qty")),
        }
        for method in methods
        for kind in dice.sample(PLACING, 5)
    ]
    canceling = [
        {
            "kind": dice.choice(("500", "504_after_accepting", "reset")),
            "method": "DELETE",
            "probability": 0.3,
        }
    ]
    reading = [
        {
            "kind": kind,
            "method": "GET",
            "probability": dice.uniform(0.01, 0.05),
            "seconds": round(dice.uniform(0.3, 2.0), 2),
            "field": "symbol",
        }
        for kind in dice.sample(READING, 3)
    ]
    # While the stream tells, it hides what the answer to a call would do.
    deaf = dice.choice((0.25, 0.9))
    telling = [
        {
            "kind": kind,
            "path": "/stream",
            "probability": 0.05 if kind == "stream_half_open" else deaf,
            "seconds": round(dice.uniform(0.2, 1.5), 2),
        }
        for kind in dice.sample(TELLING, 2)
    ]
    storm = [{"kind": "partial_storm", "probability": 0.5, "pieces": 4}]
    refusing = [{"kind": "stream_refuse", "probability": 0.3}]
    return (
        placing
        + canceling
        + reading
        + telling
        + dice.choice((storm, []))
        + dice.choice((refusing, [], []))
    )
