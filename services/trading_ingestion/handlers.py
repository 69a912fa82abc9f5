"""Ingestion hears nobody: bars come from outside."""

from trading_ingestion.repository import IngestionTransaction
from trading_system.messaging import EventHandlers
from trading_system.vocabulary import ServiceName

on = EventHandlers[IngestionTransaction](ServiceName.INGESTION)
