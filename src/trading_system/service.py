"""How a service becomes a process: app, consumer, workers, health, one lifespan."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from loguru import logger
from sqlalchemy import exists, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from trading_system import event_log, jobs
from trading_system import logging as log
from trading_system.clock import monotonic, utc_now
from trading_system.config.settings import Settings
from trading_system.consumer import Consumer
from trading_system.contracts.system import (
    AuditView,
    CheckView,
    ConsumerView,
    DeadLetterDetailView,
    DeadLetterView,
    Decision,
    EventDetailView,
    EventView,
    HealthView,
    IdentityView,
    IdleView,
    JobClaim,
    JobFinish,
    JobView,
    ReplayRequest,
    ReplayView,
    SessionView,
)
from trading_system.database import (
    Database,
    Identity,
    Transaction,
    connection_lost,
)
from trading_system.doorbell import Doorbell
from trading_system.errors import TradingError, Unavailable
from trading_system.http import create_http_app, problem, product_version
from trading_system.log_rows import LogRows
from trading_system.messaging import EventHandlers, log_end
from trading_system.models import (
    AuditEntry,
    DeadLetter,
    LoggedEvent,
    TradingSession,
)
from trading_system.personal_tokens import ADMIN, READ
from trading_system.security import ACTING_USER, Caller, requires
from trading_system.vocabulary import Instant, ServiceName
from trading_system.worker import Worker

T = TypeVar("T", bound=Transaction)

LOOK = 0.005
"""Seconds between two looks at whether the work at hand has ended."""

Check = Callable[[], str]
"""A readiness check: returns what it saw, raises when it is not ready."""


REQUESTS_AT_ONCE = 8
"""Requests that are at the database together.

The pool's other connections are the consumer's and the workers'.
"""

PATIENCE = 5.0
"""Seconds that a request waits for its turn: who asked may have given up by then."""


async def _take_turn(request: Request) -> AsyncIterator[None]:
    """Wait for a turn at the database, with neither a thread nor a connection in hand.

    Requests that waited with one of them would keep it from those that need it to end,
    and a flood of requests would keep the consumer from its events.
    """
    turns: asyncio.Semaphore = request.app.state.turns
    try:
        async with asyncio.timeout(PATIENCE):
            await turns.acquire()
    except TimeoutError:
        raise Unavailable(
            "Too many requests wait for the database.", remedy="Ask again."
        ) from None
    try:
        yield
    finally:
        turns.release()


_turn = Depends(_take_turn, scope="function")


def _open_transaction(
    request: Request, turn: Annotated[None, _turn]
) -> Iterator[Transaction]:
    database: Database[Transaction] = request.app.state.database
    with database.transaction() as tx:
        tx.act_as(_person(request))
        yield tx


def _person(request: Request) -> str:
    """Return who asks: the person in whose name, or the caller itself."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return request.headers.get(ACTING_USER) or (caller.name if caller else "?")


def _open_read_only(
    request: Request, turn: Annotated[None, _turn]
) -> Iterator[Transaction]:
    database: Database[Transaction] = request.app.state.database
    with database.read_only() as tx:
        yield tx


# Function scope: the commit happens before the answer, so that a commit that fails
# cannot have been answered with a success.
in_transaction = Depends(_open_transaction, scope="function")
in_read_only = Depends(_open_read_only, scope="function")


def create_app(
    service: ServiceName,
    settings: Settings,
    router: APIRouter,
    *,
    on: EventHandlers[T],
    transaction: type[T],
    workers: Callable[[Database[T]], Sequence[Worker]] = lambda database: (),
    ready: Sequence[Check] = (),
    start: Callable[[Database[T]], None] | None = None,
    description: str = "",
    larger_bodies: dict[str, int] | None = None,
    identities: Sequence[Identity] = (),
) -> FastAPI:
    """Return the app of a service.

    `start` runs once before the first event is handled. The consumer and the workers
    are threads of the app's lifespan. `identities` are what `/books` looks at.
    """
    process = Process(service, settings, on, transaction, workers, ready, start)
    app = create_http_app(
        f"Trading system: {service}",
        settings,
        description=description,
        lifespan=process.lifespan,
        larger_bodies=larger_bodies,
    )
    app.state.database, app.state.process = process.database, process
    app.state.turns = asyncio.Semaphore(REQUESTS_AT_ONCE)
    _answer_for_the_database(app)
    app.include_router(_health_routes(process))
    reading = [requires(READ)]
    app.include_router(_log_routes(), dependencies=reading)
    app.include_router(_consumer_routes(process), dependencies=reading)
    app.include_router(_books_routes(identities), dependencies=reading)
    app.include_router(router, dependencies=reading)
    return app


def _answer_for_the_database(app: FastAPI) -> None:
    @app.exception_handler(DBAPIError)
    def away(request: Request, error: DBAPIError) -> JSONResponse:
        if not connection_lost(error):
            raise error
        logger.warning("The database does not answer: {}", error.orig)
        return _absent("The database does not answer.")

    @app.exception_handler(PoolTimeout)
    def busy(request: Request, error: PoolTimeout) -> JSONResponse:
        logger.warning("No connection was free: {}", error)
        return _absent("Too much waits for the database.")


def _absent(detail: str) -> JSONResponse:
    absent = Unavailable(detail)
    return problem(absent.status, absent.code, absent.detail, absent.title)


class Process:
    """What runs beside the routes of one service: by threads of its own, or by hand."""

    def __init__(
        self,
        service: ServiceName,
        settings: Settings,
        on: EventHandlers[Any],
        transaction: type[Transaction],
        workers: Callable[[Database[Any]], Sequence[Worker]],
        ready: Sequence[Check],
        start: Callable[[Database[Any]], None] | None,
    ) -> None:
        self.service = service
        self.settings = settings
        self.instance = f"{socket.gethostname()}:{service}"
        self.database: Database[Any] = Database.connect(
            settings.postgres_url, transaction, f"trading {service}"
        )
        self.doorbell = Doorbell(settings.redis_url)
        self.database.committed.append(self.doorbell.ring)
        self.consumer = Consumer(self.database, on, self._heard)
        self.database.committed.append(self.hear)
        self._listens = set(on.topics)
        self._make_workers = workers
        self.workers: Sequence[Worker] = ()
        self._ready = ready
        self._start = start

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Start what runs beside the routes, and end it in reverse."""
        rows = LogRows(self.settings.postgres_url, level=self.settings.log_level)
        log.configure(self.service, self.settings, rows=rows)
        try:
            await run_in_threadpool(self._begin)
            logger.info("{} is up", self.service)
            yield
        finally:
            await run_in_threadpool(self._end)
            rows.stop()

    def _begin(self) -> None:
        if self._start is not None:
            self._start(self.database)
        self.workers = self._make_workers(self.database)
        for worker in self.workers:
            worker.start()
        self.consumer.start()
        self.doorbell.listen(self._ring)

    def take_part(self, others: "Sequence[Process]") -> None:
        """Make ready to be run by hand, hearing of events from others directly."""
        self.database.committed[:] = [other.hear for other in others]
        if self._start is not None:
            self._start(self.database)
        self.workers = self._make_workers(self.database)

    def end_part(self) -> None:
        """Let go of what `take_part` holds."""
        self.doorbell.stop()
        self.database.close()

    def take_turn(self) -> bool:
        """Do what there is to do, in the caller's thread; say if there was anything."""
        heard = self.consumer.catch_up()
        worked = [worker.name for worker in self.workers if worker.take_turn()]
        return heard or bool(worked)

    def _end(self) -> None:
        self.consumer.stop()
        for worker in reversed(self.workers):
            worker.stop()
        # Last: whoever commits until here rings it.
        self.doorbell.stop()
        self.database.close()

    def _ring(self, topics: set[str]) -> None:
        if topics & self._listens:
            self.consumer.ring()
        self._heard(topics - self._listens)

    def hear(self, topics: list[str], sequence: int) -> None:
        """Hear of events that this process, or another beside it, has published."""
        self._ring(set(topics))

    def _heard(self, topics: set[str]) -> None:
        for worker in self.workers:
            if worker.topics & topics:
                worker.wake()

    def checks(self) -> list[CheckView]:
        """Look at everything this service needs."""
        seen = [self._checked("database", self._database_answers)]
        seen.append(self._checked("consumer", self._consumer_is_well))
        for check in self._ready:
            name = getattr(check, "__name__", "dependency").strip("_")
            seen.append(self._checked(name, check))
        for worker in self.workers:
            status = "warn" if worker.last_error else "pass"
            seen.append(self._seen(worker.name, status, worker.last_error or "ok"))
        bell = self.doorbell.connected
        seen.append(
            self._seen("redis", "pass" if bell else "warn", "" if bell else "silent")
        )
        return seen

    def _checked(self, name: str, check: Check) -> CheckView:
        try:
            return self._seen(name, "pass", check())
        except (SQLAlchemyError, TradingError, OSError) as error:
            return self._seen(name, "fail", f"{type(error).__name__}: {error}"[:300])

    def _seen(self, name: str, status: str, output: str) -> CheckView:
        return CheckView(component=name, status=status, output=output, time=utc_now())

    def _database_answers(self) -> str:
        with self.database.read_only() as tx:
            tx.session.execute(text("select 1"))
        return "answers"

    def _consumer_is_well(self) -> str:
        with self.database.read_only() as tx:
            behind = log_end(tx) - self.consumer.cursor
            parked = tx.session.scalar(
                select(func.count())
                .select_from(DeadLetter)
                .where(
                    DeadLetter.consumer == str(self.service),
                    DeadLetter.status.in_(event_log.ASIDE),
                )
            )
        return f"{max(behind, 0)} events behind, {parked} set aside"

    async def rest(self, patience: float) -> IdleView:
        """Wait for what is at work, then say whether nothing is left to do.

        The wait asks nothing of the database and next to nothing of the machine: both
        belong to the work.
        """
        until = monotonic() + patience
        while self._at_work() and monotonic() < until:
            await asyncio.sleep(LOOK)
        return await run_in_threadpool(self.idle)

    def _at_work(self) -> list[str]:
        """Return who has work in hand, as far as it shows without a look at the log."""
        at_work = [worker.name for worker in self.workers if worker.is_at_work]
        return ["consumer"] * self.consumer.is_at_work + at_work

    def idle(self) -> IdleView:
        """Say whether the log is read to its end and no worker has anything to do."""
        if at_work := self._at_work():
            return IdleView(
                idle=False, sequence=self.consumer.cursor, waiting_for=at_work
            )
        cursor, listened = self.consumer.cursor, LoggedEvent.topic.in_(self._listens)
        retries = exists().where(
            DeadLetter.consumer == str(self.service), DeadLetter.status == "retrying"
        )
        # One statement: it sees one moment, and this is asked often.
        beyond = select(
            func.coalesce(func.max(LoggedEvent.seq), cursor),
            func.coalesce(func.bool_or(listened), False),
            retries,
        ).where(LoggedEvent.seq > cursor)
        with self.database.read_only() as tx:
            end, unread, retrying = tx.session.execute(beyond).one()
        # The consumer first: what it handles may be work for the workers.
        waiting = ["consumer"] if unread else []
        waiting += [w.name for w in self.workers if w.is_pending()]
        if retrying:
            waiting.append("retries")
        return IdleView(idle=not waiting, sequence=end, waiting_for=waiting)


def _health_routes(process: Process) -> APIRouter:
    router = APIRouter(tags=["System"])

    @router.get("/health/live")
    def live() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "pass"}

    @router.get(
        "/health/ready",
        response_model=HealthView,
        responses={503: {"model": HealthView, "description": "Not ready"}},
    )
    def ready() -> Any:
        """Say whether the service can do its job now; 503 when it cannot."""
        health = _health(process)
        status = 503 if health.status == "fail" else 200
        return JSONResponse(health.model_dump(mode="json"), status)

    @router.get("/health", response_model=HealthView)
    def health() -> HealthView:
        """Show everything the service looked at."""
        return _health(process)

    @router.get("/idle", response_model=IdleView)
    async def idle(wait: Annotated[float, Query(ge=0, le=10)] = 0) -> IdleView:
        """Say whether nothing is left to do at the present end of the event log.

        With `wait`, what is at work is given so many seconds to end first.
        """
        return await process.rest(wait)

    return router


def _health(process: Process) -> HealthView:
    checks = process.checks()
    states = {check.status for check in checks}
    worst = next((s for s in ("fail", "warn") if s in states), "pass")
    return HealthView(
        status=worst,
        service=str(process.service),
        version=product_version(),
        instance=process.instance,
        checks=checks,
    )


def _books_routes(identities: Sequence[Identity]) -> APIRouter:
    router = APIRouter(tags=["System"])

    @router.get("/books", response_model=list[IdentityView])
    def books(tx: Annotated[Transaction, in_read_only]) -> list[IdentityView]:
        """Look at everything that must hold in the books of this service."""
        return [identity.look(tx) for identity in identities]

    return router


def _log_routes() -> APIRouter:
    router = APIRouter(tags=["System"])
    Writing = Annotated[Transaction, in_transaction]
    Reading = Annotated[Transaction, in_read_only]

    @router.get("/events", response_model=list[EventView])
    def events(
        tx: Reading,
        after: Annotated[int, Query(ge=0)] = 0,
        topic: Annotated[list[str] | None, Query()] = None,
        correlation_id: UUID | None = None,
        since: Instant | None = None,
        newest: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Any:
        """List the events after a sequence number, oldest first.

        With `newest` the last of them come first.
        """
        return event_log.find(
            tx,
            after=after,
            topics=topic or (),
            correlation_id=correlation_id,
            since=since,
            newest=newest,
            limit=limit,
        )

    @router.get("/events/end")
    def end(tx: Reading) -> dict[str, int]:
        """Give the last sequence number of the event log."""
        return {"sequence": log_end(tx)}

    @router.get("/events/{event}", response_model=EventDetailView)
    def read_event(tx: Reading, event: int | UUID) -> Any:
        """Show an event, by sequence number or id, and who has handled it."""
        return event_log.detail(tx, event)

    @router.get("/sessions", response_model=list[SessionView])
    def sessions(tx: Reading, start: date, end: date) -> Any:
        """List the exchange's sessions between two dates, both included."""
        query = select(TradingSession).where(TradingSession.day.between(start, end))
        return tx.session.scalars(query.order_by(TradingSession.day)).all()

    @router.get("/audit", response_model=list[AuditView])
    def audit(
        tx: Reading,
        table: Annotated[str | None, Query(max_length=100)] = None,
        user: Annotated[str | None, Query(max_length=100)] = None,
        before: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:
        """List the audit log, newest first; go on `before` the last one seen."""
        wanted = select(AuditEntry).order_by(AuditEntry.audit_id.desc()).limit(limit)
        if table is not None:
            wanted = wanted.where(AuditEntry.table_name == table)
        if user is not None:
            wanted = wanted.where(AuditEntry.user_id == user)
        if before is not None:
            wanted = wanted.where(AuditEntry.audit_id < before)
        return tx.session.scalars(wanted).all()

    @router.post("/jobs/claim", response_model=JobView)
    def claim(tx: Writing, asked: JobClaim) -> Any:
        """Ask for the slot of a scheduled run."""
        return jobs.claim(tx, asked)

    @router.post("/jobs/finish", response_model=JobView)
    def finish(tx: Writing, done: JobFinish) -> Any:
        """Say how a scheduled run ended."""
        return jobs.finish(tx, done)

    @router.get("/jobs", response_model=list[JobView])
    def recent(tx: Reading, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Any:
        """List the latest scheduled runs, newest first."""
        return jobs.recent(tx, limit)

    return router


def _consumer_routes(process: Process) -> APIRouter:
    router = APIRouter(tags=["System"])
    deciding = [requires(ADMIN)]
    name, topics = str(process.service), process.consumer.on.topics
    Writing = Annotated[Transaction, in_transaction]
    Reading = Annotated[Transaction, in_read_only]

    @router.get("/consumer", response_model=ConsumerView)
    def read_consumer(tx: Reading) -> Any:
        """Say how far this service has read the event log."""
        return event_log.standing(tx, name, topics)

    @router.post("/consumer/replay", response_model=ReplayView, dependencies=deciding)
    def replay_events(tx: Writing, request: Request, asked: ReplayRequest) -> Any:
        """Look again at the log from a sequence number on; nothing happens twice."""
        return event_log.replay(
            tx,
            name,
            topics,
            asked.from_sequence,
            _person(request),
            asked.reason,
            dry_run=asked.dry_run,
        )

    @router.post("/consumer/resume", response_model=ConsumerView, dependencies=deciding)
    def resume_consumer(tx: Writing, request: Request, asked: Decision) -> Any:
        """Go on after a pause at an event of newer code."""
        return event_log.resume(tx, name, topics, _person(request), asked.reason)

    @router.get("/dead-letters", response_model=list[DeadLetterView])
    def list_letters(tx: Reading, decided: bool = False) -> Any:
        """List what this service set aside; with `decided` also what became of it."""
        return event_log.letters(tx, name, decided=decided)

    @router.get("/dead-letters/{event_id}", response_model=DeadLetterDetailView)
    def read_letter(tx: Reading, event_id: UUID) -> Any:
        """Show an event that this service set aside, and why."""
        return event_log.letter(tx, name, event_id)

    @router.post(
        "/dead-letters/{event_id}/retry",
        response_model=DeadLetterView,
        dependencies=deciding,
    )
    def retry_letter(
        tx: Writing, request: Request, event_id: UUID, asked: Decision
    ) -> Any:
        """Attempt an event again that was set aside."""
        return event_log.retry(tx, name, event_id, _person(request), asked.reason)

    @router.post(
        "/dead-letters/{event_id}/discard",
        response_model=DeadLetterView,
        dependencies=deciding,
    )
    def discard_letter(
        tx: Writing, request: Request, event_id: UUID, asked: Decision
    ) -> Any:
        """Go on without an event, for ever."""
        return event_log.discard(tx, name, event_id, _person(request), asked.reason)

    return router
