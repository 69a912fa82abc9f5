"""Examples are looked for without a stopwatch: a busy machine must fail no test."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
