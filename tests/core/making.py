"""Operations and gas for the tests of `core`."""

from typing import Any

from headrace.core.gas import ItemGas
from headrace.core.operation import Operation
from headrace.core.words import ChainId, OperationId


def operation(name: str = "a", *, size: int = 100, retries: int = 0) -> Operation:
    """Its payload has `size` bytes."""
    return Operation(
        id=OperationId(name),
        content=bytes(32),
        workload="tasks",
        kind="create",
        form="create",
        chain=ChainId(1),
        subject=name.encode(),
        payload=bytes(size),
        received_at=0,
        retries=retries,
    )


def gas(*, per_transaction: int = 50_000, per_item: int = 10_000, tail: int = 0, **more: Any) -> ItemGas:
    return ItemGas(per_transaction=per_transaction, guess_per_item=per_item, tail=tail, **more)
