import asyncio

import pytest

from headrace.attest import bls
from headrace.operators.checker import PER_BATCH_MAX, Checker
from headrace.operators.keyring import Checked, KeyRing, Quorum
from operators.builders import KEYS, until
from operators.held import Held

DIGEST = b"\x01" * 32
SIGNATURES = {i: bls.sign(KEYS[i], DIGEST) for i in range(3)}
GOOD = Checked(bls.aggregate_signatures(SIGNATURES.values()))


def quorum(scheme: Held) -> Quorum:
    keys = KeyRing(scheme, {i: key.public_key.to_bytes() for i, key in enumerate(KEYS)})  # type: ignore[type-var,arg-type,unused-ignore]
    return Quorum(keys, DIGEST, SIGNATURES)


async def test_what_waits_while_the_thread_works_is_checked_together() -> None:
    scheme, checker = Held(), Checker()
    asked = quorum(scheme)
    first = asyncio.create_task(checker.check(asked))
    await until(lambda: scheme.sizes == [1])
    rest = [asyncio.create_task(checker.check(asked)) for _ in range(PER_BATCH_MAX + 4)]
    await asyncio.sleep(0)
    scheme.may_go_on.set()
    assert await asyncio.gather(first, *rest) == [GOOD] * (PER_BATCH_MAX + 5)
    assert scheme.sizes == [1, PER_BATCH_MAX, 4]
    checker.close()


async def test_who_gives_up_is_not_checked() -> None:
    scheme, checker = Held(), Checker()
    asked = quorum(scheme)
    first = asyncio.create_task(checker.check(asked))
    await until(lambda: scheme.sizes == [1])
    rest = [asyncio.create_task(checker.check(asked)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    rest[1].cancel()
    await asyncio.sleep(0)
    scheme.may_go_on.set()
    assert await asyncio.gather(rest[0], rest[2]) == [GOOD, GOOD]
    assert scheme.sizes == [1, 2]
    checker.close()


async def test_an_error_in_a_check_reaches_its_waiters_and_stops_nothing() -> None:
    scheme, checker = Held(), Checker()
    scheme.may_go_on.set()
    scheme.error = RuntimeError("no memory")
    ends = await asyncio.gather(*(checker.check(quorum(scheme)) for _ in range(3)), return_exceptions=True)
    assert [str(end) for end in ends] == ["no memory"] * 3
    scheme.error = None
    assert await checker.check(quorum(scheme)) == GOOD
    checker.close()


async def test_a_closed_checker_refuses_and_lets_go_of_who_waits() -> None:
    scheme, checker = Held(), Checker()
    asked = quorum(scheme)
    first = asyncio.create_task(checker.check(asked))
    await until(lambda: scheme.sizes == [1])
    second = asyncio.create_task(checker.check(asked))
    await asyncio.sleep(0)
    checker.close()
    scheme.may_go_on.set()
    assert await first == GOOD  # it was being worked on
    with pytest.raises(asyncio.CancelledError):
        await second
    with pytest.raises(RuntimeError, match="closed"):
        await checker.check(asked)
