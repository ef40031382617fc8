"""A store file for tests that look below the ports: connections of our own to it."""

import sqlite3
from pathlib import Path

from headrace.store.connection import connect
from headrace.store.migrating import load_migrations, migrate
from store.made import NOW


def migrated(path: Path) -> sqlite3.Connection:
    db = connect(path)
    migrate(db, path, now=NOW, migrations=load_migrations())
    return db
