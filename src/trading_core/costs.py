"""What trading costs: dated fees of the regulators, and commission.

SEC and TAF are charged on sells, CAT on both sides. Each is summed for an account and a
day and rounded **up** to the cent, so book them once a day with `daily_fees`;
`accrued_fees` gives the unrounded amount of one execution.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal

from trading_core.money import CENT, ZERO, Side

MILLION = Decimal(1_000_000)
INTEREST_YEAR = 360


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """The rates in force from a date on.

    `sec_per_million` is dollars per million dollars sold, `taf_per_share` dollars a
    share sold with `taf_cap` a trade, `cat_per_share` dollars a share either way.
    """

    since: date
    sec_per_million: Decimal
    taf_per_share: Decimal
    taf_cap: Decimal
    cat_per_share: Decimal
    commission_per_share: Decimal = ZERO


_TAF = Decimal("0.000195")
_TAF_CAP = Decimal("9.79")
_CAT = Decimal("0.000003")

# The broker's schedule of 2026-09-17. TAF and CAT are dated back at today's rates: no
# older ones are known here, and backtests need some cost rather than none. FINRA waives
# TAF for the last quarter of 2026.
SCHEDULES = (
    FeeSchedule(date(1990, 1, 1), Decimal("27.80"), _TAF, _TAF_CAP, _CAT),
    FeeSchedule(date(2025, 5, 14), ZERO, _TAF, _TAF_CAP, _CAT),
    FeeSchedule(date(2026, 4, 4), Decimal("20.60"), _TAF, _TAF_CAP, _CAT),
    FeeSchedule(date(2026, 10, 1), Decimal("20.60"), ZERO, _TAF_CAP, _CAT),
    FeeSchedule(date(2027, 1, 1), Decimal("20.60"), _TAF, _TAF_CAP, _CAT),
)


@dataclass(frozen=True, slots=True)
class Fees:
    """Fees by kind, in dollars."""

    sec: Decimal = ZERO
    taf: Decimal = ZERO
    cat: Decimal = ZERO
    commission: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of them together."""
        return self.sec + self.taf + self.cat + self.commission

    def __add__(self, other: "Fees") -> "Fees":
        return Fees(
            self.sec + other.sec,
            self.taf + other.taf,
            self.cat + other.cat,
            self.commission + other.commission,
        )

    def rounded_up(self) -> "Fees":
        """Each kind rounded up to the cent, as it is booked at the end of a day."""
        return Fees(
            _cent_up(self.sec),
            _cent_up(self.taf),
            _cent_up(self.cat),
            _cent_up(self.commission),
        )


def schedule_on(day: date) -> FeeSchedule:
    """Return the rates in force on a New York date."""
    in_force = [schedule for schedule in SCHEDULES if schedule.since <= day]
    if not in_force:
        raise ValueError(f"No fee schedule before {SCHEDULES[0].since}: {day}.")
    return in_force[-1]


def accrued_fees(day: date, side: Side, quantity: Decimal, price: Decimal) -> Fees:
    """Return the unrounded fees of one execution on a New York date."""
    schedule = schedule_on(day)
    cat = quantity * schedule.cat_per_share
    commission = quantity * schedule.commission_per_share
    if side == "buy":
        return Fees(cat=cat, commission=commission)
    return Fees(
        sec=quantity * price * schedule.sec_per_million / MILLION,
        taf=min(quantity * schedule.taf_per_share, schedule.taf_cap),
        cat=cat,
        commission=commission,
    )


def daily_fees(day: date, executions: Iterable[tuple[Side, Decimal, Decimal]]) -> Fees:
    """Return what an account is charged for a day of (side, quantity, price)."""
    total = Fees()
    for side, quantity, price in executions:
        total += accrued_fees(day, side, quantity, price)
    return total.rounded_up()


def borrow_fee(short_value: Decimal, yearly_rate: Decimal, nights: int) -> Decimal:
    """Return what shares sold short cost over some nights, rounded up to the cent.

    `short_value` is their value in dollars at the close; a year has 360 days.
    """
    return _interest(abs(short_value), yearly_rate, nights)


def margin_interest(cash: Decimal, yearly_rate: Decimal, nights: int) -> Decimal:
    """Return what borrowed dollars cost over some nights, rounded up to the cent.

    `cash` is the balance at the end of the day; nothing is borrowed above zero.
    """
    return _interest(max(ZERO, -cash), yearly_rate, nights)


@dataclass(frozen=True, slots=True)
class NightCosts:
    """What borrowing over some nights costs, in dollars: shares by symbol, and cash."""

    borrow: Mapping[str, Decimal]
    interest: Decimal

    @property
    def total(self) -> Decimal:
        """All of it together."""
        return sum(self.borrow.values(), self.interest)


def night_costs(
    cash: Decimal,
    values: Iterable[tuple[str, Decimal]],
    borrow_rate: Decimal,
    margin_rate: Decimal,
    nights: int,
) -> NightCosts:
    """Return what an account is charged from one close to the next session.

    `cash` and `values` (symbol, dollars held, negative when short) are those of the
    close, the rates a year's; each symbol's fee is rounded up to the cent for itself.
    """
    fees = {
        symbol: borrow_fee(value, borrow_rate, nights)
        for symbol, value in values
        if value < 0
    }
    return NightCosts(
        {symbol: fee for symbol, fee in fees.items() if fee},
        margin_interest(cash, margin_rate, nights),
    )


def _interest(amount: Decimal, yearly_rate: Decimal, nights: int) -> Decimal:
    return _cent_up(amount * yearly_rate * nights / INTEREST_YEAR)


def _cent_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_CEILING)
