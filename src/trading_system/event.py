"""What an event is: a fact, declared once, that a service tells the others."""

from typing import Any, ClassVar, Protocol, Self
from uuid import UUID

from pydantic import Field

from trading_system.vocabulary import Model, new_id

_ENVELOPE = {"event_id", "causation_id", "correlation_id"}


class Logged(Protocol):
    """A row of the event log, as far as an event is made of it."""

    @property
    def payload(self) -> dict[str, Any]: ...

    @property
    def event_id(self) -> UUID: ...

    @property
    def correlation_id(self) -> UUID | None: ...

    @property
    def causation_id(self) -> UUID | None: ...


class Event(Model):
    """A fact that a service tells the others: past tense, complete, unchangeable.

    A subclass names its topic, `<service>.<fact>`, and its `key`: events of one topic
    with the same key are handled in the order in which they were committed.
    """

    topic: ClassVar[str]
    schema_version: ClassVar[int] = 1
    declared: ClassVar[dict[str, type["Event"]]] = {}

    event_id: UUID = Field(default_factory=new_id)
    correlation_id: UUID | None = None
    causation_id: UUID | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, topic: str | None = None, **_: Any) -> None:
        if topic is None:
            return
        if topic in Event.declared:
            raise TypeError(f"topic {topic} is declared twice")
        cls.topic = topic
        Event.declared[topic] = cls

    def __init_subclass__(cls, topic: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @property
    def key(self) -> str:
        """The thing that this event is about."""
        raise TypeError(f"{type(self).__name__} must say what its key is")

    def staged(self) -> dict[str, Any]:
        """Return the row that stages this event."""
        return {
            "event_id": self.event_id,
            "topic": self.topic,
            "key": self.key,
            "payload": self.model_dump(mode="json", exclude=_ENVELOPE),
            "schema_version": self.schema_version,
            "causation_id": self.causation_id,
            "correlation_id": self.correlation_id,
        }

    @classmethod
    def loaded(cls, row: Logged) -> Self:
        """Return the event of a row of the log."""
        return cls.model_validate(
            {
                **row.payload,
                "event_id": row.event_id,
                "correlation_id": row.correlation_id,
                "causation_id": row.causation_id,
            }
        )
