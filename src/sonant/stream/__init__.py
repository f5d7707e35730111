"""Streaming without sockets and clocks."""

from sonant.stream.session import Event, Final, Partial, Session

__all__ = ["Event", "Final", "Partial", "Session"]
