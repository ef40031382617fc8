"""What the operator of this service may do, as JSON-RPC on a door of its own: never on the port of clients.

Owns      the methods by name, their parameters and results.
Leaves    who may reach the door to whoever opens it, what is done to `LaneOffice`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.routing import Route

from headrace.api.fields import Fields, Shape
from headrace.api.lane_form import lane_form_for_operator
from headrace.api.rest.services import JobsByHand
from headrace.api.rpc import Method, Rpc
from headrace.api.services import LaneReport, Limits
from headrace.api.wire import hexed, read_address, read_data, read_quantity, shown, wrong
from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobId
from headrace.core.transaction import Cancel
from headrace.core.words import Address, Nonce, TxHash
from headrace.engine.by_hand import Cancelled

_NONCE_BITS: Final = 63  # all that a store can hold
_NOTHING: Final = Shape()
_LANE: Final = Shape("lane")
_CANCEL: Final = Shape("lane", "nonce", "transaction", "end")
_ADOPT: Final = Shape("lane", "nonce", "fill_gap")
_JOB: Final = Shape("job")
_GIVE_UP: Final = Shape("job", "reason")
_REASON_CHARACTERS_MAX: Final = 1000


class LaneOffice(Protocol):
    """`app.lane_office`. Lanes that are not this gateway's are refused by name, with `field` in the error's data;
    what cannot be done with a lane as it is now, without."""

    async def lanes(self) -> Sequence[LaneReport]: ...

    async def drain(self, lane: Address) -> bool:
        """False where it was drained already."""
        ...

    async def resume(self, lane: Address) -> bool:
        """False where it was not drained."""
        ...

    async def find(self, transaction: TxHash) -> tuple[Address, Nonce]:
        """By any of its attempts."""
        ...

    async def cancel(self, lane: Address, nonce: Nonce, what: Cancel) -> Cancelled: ...

    async def adopt(self, lane: Address, start: Nonce, *, fill_gap: bool) -> None: ...


class Held(Protocol):
    """`app.held`."""

    def __call__(self) -> Mapping[str, Mapping[str, int]]: ...


def nothing_held() -> Mapping[str, Mapping[str, int]]:
    return {}


def control_app(
    office: LaneOffice, limits: Limits, jobs: JobsByHand | None = None, *, held: Held = nothing_held
) -> Starlette:
    """`jobs` None: this gateway has no settlement, and says so. `held` counts what it has in memory."""
    methods, job_methods = ControlMethods(office), JobControl(jobs)

    async def memory(params: object) -> Mapping[str, object]:
        _NOTHING.read({} if params is None else params, "")
        return held()

    rpc = Rpc(
        {
            "headrace_lanes": Method(methods.lanes),
            "headrace_drainLane": Method(methods.drain),
            "headrace_resumeLane": Method(methods.resume),
            "headrace_cancelTransaction": Method(methods.cancel),
            "headrace_adoptLane": Method(methods.adopt),
            "headrace_memory": Method(memory),
            "headrace_retryJob": Method(job_methods.retry),
            "headrace_giveUpJob": Method(job_methods.give_up),
        },
        limits,
    )
    return Starlette(routes=[Route("/rpc", rpc)])


class ControlMethods:
    def __init__(self, office: LaneOffice) -> None:
        self._office = office

    async def lanes(self, params: object) -> Mapping[str, object]:
        _NOTHING.read({} if params is None else params, "")
        return {"lanes": [lane_form_for_operator(report) for report in await self._office.lanes()]}

    async def drain(self, params: object) -> Mapping[str, object]:
        lane = _lane(_LANE.read(params, ""))
        changed = await self._office.drain(lane)
        return {"changed": changed, "lane": await self._form(lane)}

    async def resume(self, params: object) -> Mapping[str, object]:
        lane = _lane(_LANE.read(params, ""))
        changed = await self._office.resume(lane)
        return {"changed": changed, "lane": await self._form(lane)}

    async def cancel(self, params: object) -> Mapping[str, object]:
        """By lane and nonce, or by the hash of any attempt."""
        fields = _CANCEL.read(params, "")
        lane, nonce = await self._transaction(fields)
        cancelled = await self._office.cancel(lane, nonce, Cancel.END if _flag(fields, "end") else Cancel.RETURN)
        return {
            "lane": hexed(lane),
            "nonce": nonce,
            "operations": cancelled.operations,
            "then": cancelled.what.value,
            "no_op": None if cancelled.no_op is None else hexed(cancelled.no_op),
            "help_wanted": cancelled.hindered,
        }

    async def adopt(self, params: object) -> Mapping[str, object]:
        fields = _ADOPT.read(params, "")
        lane = _lane(fields)
        await self._office.adopt(lane, _nonce(fields), fill_gap=_flag(fields, "fill_gap"))
        return {"lane": await self._form(lane)}

    async def _transaction(self, fields: Fields) -> tuple[Address, Nonce]:
        hash = fields.get("transaction")
        if hash is None:
            return _lane(fields), _nonce(fields)
        if "lane" in fields or "nonce" in fields:
            raise wrong("transaction", "name either it, or lane and nonce")
        return await self._office.find(TxHash(read_data(hash, "transaction", size=32)))

    async def _form(self, lane: Address) -> Mapping[str, object]:
        return next(lane_form_for_operator(r) for r in await self._office.lanes() if r.account.lane == lane)


class JobControl:
    def __init__(self, jobs: JobsByHand | None) -> None:
        self._jobs = jobs

    async def retry(self, params: object) -> Mapping[str, object]:
        fields = _JOB.read(params, "")
        return _payment_form(await self._by_hand().retry(_job(fields)))

    async def give_up(self, params: object) -> Mapping[str, object]:
        fields = _GIVE_UP.read(params, "")
        return _payment_form(await self._by_hand().give_up(_job(fields), _reason(fields)))

    def _by_hand(self) -> JobsByHand:
        if self._jobs is None:
            raise FixTheRequest("this gateway has no settlement: there are no jobs here")
        return self._jobs


def _payment_form(job: Job) -> Mapping[str, object]:
    return {"job": job.id, "status": int(job.status), "settlement": job.settlement.state.value}


def _job(fields: Fields) -> JobId:
    value = fields.need("job")
    if not isinstance(value, str):
        raise wrong("job", f"{shown(value)} is no job's id")
    return JobId(value)


def _reason(fields: Fields) -> str:
    value = fields.need("reason")
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= _REASON_CHARACTERS_MAX:
        raise wrong("reason", f"{shown(value)} is none: 1 to {_REASON_CHARACTERS_MAX} characters")
    return value.strip()


def _lane(fields: Fields) -> Address:
    return read_address(fields.need("lane"), "lane")


def _nonce(fields: Fields) -> Nonce:
    return Nonce(read_quantity(fields.need("nonce"), "nonce", bits=_NONCE_BITS))


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(name, f"{shown(value)} is neither true nor false")
    return bool(value)
