"""An operation as the gateway tells of it, in answers and in updates: as far as the client's book wants it."""

import msgspec

from headrace.app.chaos.told import Told


class RideJson(msgspec.Struct):
    hash: str | None = None
    block_number: int | None = None


class RevertJson(msgspec.Struct):
    selector: str = ""
    name: str | None = None


def as_told(word: str, outcome: str | None, revert: RevertJson | None, ride: RideJson | None) -> Told:
    return Told(
        word=word,
        outcome=outcome,
        revert=None if revert is None else revert.name or revert.selector or None,
        transaction=bytes.fromhex(ride.hash[2:]) if ride is not None and ride.hash is not None else None,
        block=None if ride is None else ride.block_number,
    )
