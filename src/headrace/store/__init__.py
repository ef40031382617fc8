"""Remembers. SQLite behind the store ports of `core.ports`: `open_store` for the one process that writes,
`open_reader` for everybody who looks."""

from headrace.store.sqlite import SqliteStore, StoreReader, open_reader, open_store

__all__ = ["SqliteStore", "StoreReader", "open_reader", "open_store"]
