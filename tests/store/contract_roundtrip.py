"""Whatever state a transaction is in, the store gives back exactly what it was given."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.transaction import InFlight, Mined, Settled, Taken, Transaction, Void
from headrace.core.words import Attempt, BlockHash, BlockNumber, Fees, Purpose, TxHash
from store.made import (
    CHAIN,
    LANE,
    Store,
    an_operation,
    claim,
    digest,
    in_flight,
    landed,
    record,
    returned,
    seal,
    settle,
)

times = st.floats(min_value=0, max_value=1e11, allow_nan=False)
words = st.text(st.characters(codec="utf-8"), max_size=40)
whole = st.integers(min_value=0, max_value=2**63 - 1)


@st.composite
def fees(draw: st.DrawFn) -> Fees:
    tip = draw(whole)
    return Fees(max_fee_wei=draw(st.integers(min_value=tip, max_value=2**63 - 1)), tip_wei=tip)


@st.composite
def flights(draw: st.DrawFn) -> InFlight:
    """Nonce, batch and hashes are given when it meets the store."""
    signed = st.tuples(fees(), st.binary(max_size=60), st.sampled_from(Purpose))
    attempts = [
        Attempt(hash=TxHash(bytes(32)), fees=price, raw=raw, purpose=purpose)
        for price, raw, purpose in draw(st.lists(signed, min_size=1, max_size=4))
    ]
    return in_flight(
        0,
        attempts=tuple(attempts),
        gas_limit=draw(st.integers(min_value=1, max_value=2**63 - 1)),
        sealed_at=draw(times),
        sent_at=draw(st.none() | times),
        reprice_at=draw(times),
        blocks_fitted=draw(st.integers(min_value=0, max_value=10**6)),
        help_wanted=draw(st.none() | words),
    )


@st.composite
def journeys(draw: st.DrawFn) -> tuple[InFlight, list[Transaction]]:
    """As sealed, and the states that come after it; the last one may be final."""
    flight = draw(flights())
    states: list[Transaction] = [flight]
    names = draw(st.lists(st.sampled_from(["in_flight", "mined", "taken"]), max_size=3))
    states += [_state(draw, name, flight) for name in names]
    last = draw(st.sampled_from(["", "settled", "void"]))
    if last == "settled":
        states.append(Settled(mined=_mined(draw, flight)))
    elif last == "void":
        states.append(Void(in_flight=flight))
    return flight, states


def _state(draw: st.DrawFn, name: str, flight: InFlight) -> Transaction:
    if name == "mined":
        return _mined(draw, flight)
    if name == "taken":
        return Taken(in_flight=flight, since=BlockNumber(draw(whole)))
    return replace(flight, sent_at=draw(st.none() | times), help_wanted=draw(st.none() | words))


def _mined(draw: st.DrawFn, flight: InFlight) -> Mined:
    return Mined(
        in_flight=flight,
        winner=draw(st.sampled_from(flight.attempts)).hash,
        block=BlockNumber(draw(whole)),
        block_hash=BlockHash(draw(st.binary(min_size=32, max_size=32))),
        ok=draw(st.booleans()),
        gas_used=draw(whole),
        gas_price_wei=draw(whole),
        mined_at=draw(times),
    )


def _placed(flight: InFlight, nonce: int, batch: str | None) -> InFlight:
    """The same at a nonce of its own: an attempt's hash covers its nonce."""
    attempts = tuple(
        replace(attempt, hash=TxHash(digest("roundtrip", nonce, number)))
        for number, attempt in enumerate(flight.attempts)
    )
    return replace(
        in_flight(nonce, batch=batch),
        **{
            name: getattr(flight, name)
            for name in ("gas_limit", "sealed_at", "sent_at", "reprice_at", "blocks_fitted", "help_wanted")
        },
        attempts=attempts,
    )


def _moved(state: Transaction, nonce: int, batch: str | None, number: int) -> Transaction:
    match state:
        case InFlight():
            return _placed(state, nonce, batch)
        case Mined():
            flight = _placed(state.in_flight, nonce, batch)
            return replace(state, in_flight=flight, winner=flight.attempts[number % len(flight.attempts)].hash)
        case Taken() | Void():
            return replace(state, in_flight=_placed(state.in_flight, nonce, batch))
        case Settled():
            moved = _moved(state.mined, nonce, batch, number)
            assert isinstance(moved, Mined)
            return Settled(mined=moved)


class RoundtripContract:
    @given(journey=journeys(), carries=st.booleans(), number=st.integers(min_value=0, max_value=3))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_every_state_comes_back_as_it_was_saved(
        self, store: Store, journey: tuple[InFlight, list[Transaction]], carries: bool, number: int
    ) -> None:
        flight, states = journey
        nonce = await store.next_nonce(chain=CHAIN, lane=LANE)
        batch = f"roundtrip-{nonce}" if carries else None
        ids = [f"roundtrip-{nonce}"] if carries else []
        if carries:
            await store.add_operations([an_operation(ids[0])])
            assert ids[0] in await claim(store)
        first = _placed(flight, nonce, batch)
        await seal(store, replace(first, attempts=first.attempts[:1]), ids)
        for state in states:
            moved = _moved(state, nonce, batch, number)
            if isinstance(moved, Settled):
                await settle(store, moved, endings=landed(*ids))
            elif isinstance(moved, Void):
                await settle(store, moved, returns=[returned(id) for id in ids])
            else:
                await record(store, moved)
                voyages = await store.unsettled(chain=CHAIN, lane=LANE)
                assert voyages[-1].transaction == moved
            entry = await store.ledger_entry(lane=LANE, nonce=nonce)
            assert entry is not None and entry.transaction == moved
            assert list(entry.operations) == ids
