"""Commands about the event log: look at it, at who reads it, and at dead letters."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from trading_system.cli import confirmation, installation
from trading_system.cli.installation import DataDir
from trading_system.cli.manner import Typer, say
from trading_system.cli.output import show_rows, show_views
from trading_system.clients import ServiceClient, Services
from trading_system.clock import utc_now
from trading_system.contracts.system import (
    ConsumerView,
    DeadLetterView,
    EventDetailView,
    EventView,
)
from trading_system.errors import Invalid, NotFound, Unavailable
from trading_system.vocabulary import ServiceName

T = TypeVar("T")

events = Typer(help="The event log: what was told, who has heard it, what was not.")
dead = Typer(help="Dead letters: events that a service could not handle.")

CONSUMER_COLUMNS = (
    "consumer",
    "position",
    "end",
    "behind",
    "lag_seconds",
    "aside",
    "paused",
    "paused_reason",
)
LETTER_COLUMNS = (
    "consumer",
    "seq",
    "topic",
    "key",
    "status",
    "attempts",
    "last_error",
    "next_attempt_at",
    "event_id",
)
REPLAY_COLUMNS = (
    "consumer",
    "from_sequence",
    "position",
    "examined",
    "handled",
    "aside",
    "to_handle",
)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Consumer = Annotated[ServiceName, typer.Option(help="The service that reads.")]
Which = Annotated[
    ServiceName | None, typer.Option("--consumer", help="Of one service only.")
]
EventId = Annotated[UUID, typer.Argument(metavar="EVENT", help="The event's id.")]
Reason = Annotated[str, typer.Option(help="Why; it goes to the audit log.")]


def add_to(app: Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(events, name="events", no_args_is_help=True)
    events.add_typer(dead, name="dead", no_args_is_help=True)


@events.command("list")
def list_events(
    topic: Annotated[
        list[str] | None, typer.Option(help="Of this topic; may be given again.")
    ] = None,
    correlation_id: Annotated[
        UUID | None, typer.Option(help="Of one bar's or order's chain.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="`2h`, or a time with its zone.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, help="After this sequence number, oldest first."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """Show events, newest first.

    Example: `trading events list --topic risk.order_denied --since 2h`.
    """
    moment = None if since is None else _moment(since)
    with installation.services(data_dir) as services:
        found = _from_any(
            services,
            lambda service: service.events(
                after or 0,
                topic or (),
                limit,
                correlation_id=correlation_id,
                since=moment,
                newest=after is None,
            ),
        )
    show_rows([_row(each) for each in found], document=found)


@events.command()
def show(
    event: Annotated[
        str, typer.Argument(metavar="ID", help="Sequence number or id of the event.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Show an event whole, and which services have handled it.

    Example: `trading events show 4711`.
    """
    identifier = _identifier(event)
    with installation.services(data_dir) as services:
        found = _from_any(services, lambda service: service.event(identifier))
    show_rows(_fields(found), document=found)


@events.command()
def consumers(data_dir: DataDir = None) -> None:
    """Show how far each service has read, how late it is, what it set aside.

    Example: `trading events consumers`.
    """
    found: list[ConsumerView] = []
    silent: list[Unavailable] = []
    with installation.services(data_dir) as services:
        for service in services.all:
            try:
                found.append(service.consumer())
            except Unavailable as error:
                silent.append(error)
    show_views(found, CONSUMER_COLUMNS)
    for each in silent[1:]:
        say(str(each))
    if silent:
        raise silent[0]


@events.command()
def replay(
    consumer: Consumer,
    reason: Reason,
    first: Annotated[
        int, typer.Option("--from", min=1, help="The sequence number to begin at.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what it would meet.")
    ] = False,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Have a service look again at the log. What it has handled it passes over.

    Example: `trading events replay --consumer analytics --from 4711 --dry-run
    --reason "restored from a backup"`.
    """
    with installation.services(data_dir) as services:
        service = services.named(consumer)
        found = service.replay(first, reason, dry_run=True)
        if not dry_run:
            confirmation.require(
                f"Have {consumer} look again at {found.examined} events from {first} on"
                f" and handle {found.to_handle} of them?",
                yes,
            )
            found = service.replay(first, reason, dry_run=False)
    show_views([found], REPLAY_COLUMNS)


@events.command()
def resume(
    consumer: Consumer,
    reason: Reason,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Have a service go on that paused at an event of newer code.

    Example: `trading events resume --consumer risk --reason "updated"`.
    """
    confirmation.require(f"Have {consumer} go on reading?", yes)
    with installation.services(data_dir) as services:
        found = services.named(consumer).resume_consumer(reason)
    show_views([found], CONSUMER_COLUMNS)


@dead.command("list")
def list_letters(
    consumer: Which = None,
    decided: Annotated[
        bool, typer.Option("--decided", help="Also what became of earlier ones.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the events that services could not handle.

    Example: `trading events dead list --consumer execution`.
    """
    with installation.services(data_dir) as services:
        asked = services.all if consumer is None else [services.named(consumer)]
        found = [each for one in asked for each in one.letters(decided=decided)]
    show_views(found, LETTER_COLUMNS)


@dead.command("show")
def show_letter(
    event_id: EventId, consumer: Consumer, data_dir: DataDir = None
) -> None:
    """Show an event that a service could not handle, whole, with its last error.

    Example: `trading events dead show 0f8fad5b-d9cb-469f-a165-70867728950e
    --consumer execution`.
    """
    with installation.services(data_dir) as services:
        found = services.named(consumer).letter(event_id)
    show_rows(_fields(found), document=found)


@dead.command()
def retry(
    event_id: EventId,
    consumer: Consumer,
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """Have a service attempt an event again; a handler that fails changes nothing.

    Example: `trading events dead retry 0f8fad5b-d9cb-469f-a165-70867728950e
    --consumer execution --reason "mended"`.
    """
    with installation.services(data_dir) as services:
        found = services.named(consumer).retry_letter(event_id, reason)
    _show(found)


@dead.command()
def discard(
    event_id: EventId,
    consumer: Consumer,
    reason: Reason,
    yes: confirmation.Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Have a service go on without an event, for ever.

    Example: `trading events dead discard 0f8fad5b-d9cb-469f-a165-70867728950e
    --consumer notification --reason "a mail nobody needs"`.
    """
    confirmation.require_word("discard", yes)
    with installation.services(data_dir) as services:
        found = services.named(consumer).discard_letter(event_id, reason)
    _show(found)


def _from_any(services: Services, ask: Callable[[ServiceClient], T]) -> T:
    """Return what the first service that answers says: all see the whole log."""
    silent: Unavailable | None = None
    for service in services.all:
        try:
            return ask(service)
        except Unavailable as error:
            silent = silent or error
    assert silent is not None
    raise silent


def _moment(text: str) -> datetime:
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return utc_now() - timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            f"--since: {text!r} is no time.",
            remedy="Write 30m, 2h, 3d, or a time with its zone:"
            " 2026-03-02T09:30-05:00.",
        )
    return moment


def _identifier(text: str) -> int | UUID:
    if text.isdecimal():
        return int(text)
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(
            f"There is no event {text!r}.",
            remedy="Name a sequence number or an id; `trading events list` shows them.",
        ) from None


def _row(event: EventView) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.occurred_at,
        "topic": event.topic,
        "key": event.key,
        "producer": event.producer,
        "correlation_id": event.correlation_id,
    }


def _fields(found: EventDetailView | DeadLetterView) -> list[dict[str, Any]]:
    """Return what there is to say, a line each; the payload's fields by their names."""
    said = dict(found)
    payload, handling = said.pop("payload"), said.pop("handling", [])
    for each in handling:
        said[f"{each.status} by {each.consumer}"] = each.at
    said |= {f"payload.{name}": value for name, value in payload.items()}
    return [{"field": name, "value": value} for name, value in said.items()]


def _show(found: DeadLetterView) -> None:
    show_views([found], LETTER_COLUMNS)
