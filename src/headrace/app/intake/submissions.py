"""HTTP requests of `headrace_submit`, made so cheaply that whoever sends them is not what binds.

Owns      their content: each a new `create` or `create_and_respond` of workload `tasks`, valid in every field.
Promises  request `index` of a run is always the same bytes; no two of a run share operation id or task; the answer
          that says yes is known to the byte.
"""

from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headrace.api.task_forms import response_form, task_form
from headrace.api.wire import hexed
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.workloads.tasks.payload import CLIENT_BYTES_MAX, CREATE, CREATE_AND_RESPOND, SIGNATURE_DATA_BYTES
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse

FUNCTION: Final = b"transfer(address,uint256)"
SIGNATURE_BYTES: Final = 65
ARGUMENT_BYTES: Final = 32
# With so much of the client's own, a create's payload as it is stored and travels has 1 KB.
OWN_BYTES: Final = 240
OWN_BYTES_LEAST: Final = SIGNATURE_BYTES + ARGUMENT_BYTES + len(FUNCTION)
EXPIRE_BLOCK: Final = BlockNumber(1_000_000)
TIMESTAMP: Final = 1_760_000_000
KINDS: Final = (CREATE, CREATE_AND_RESPOND)
# So many different intents; a request has one of them, and an operation id and a task id of its own.
INTENTS: Final = 128

_OPERATION_MARK: Final = "in-" + 16 * "0"
_TASK_MARK: Final = bytes(31) + b"\x01"


@dataclass(frozen=True, slots=True)
class Submission:
    """`yes`: the whole body that says yes to all its `operations`."""

    request: bytes
    yes: bytes
    operations: int


class Submissions:
    """`url` of the gateway; `client` a policy client; `kind` as in KINDS; `own_bytes`: of the client's own in
    each, OWN_BYTES_LEAST to CLIENT_BYTES_MAX; `run`, below a million, tells its ids from others'."""

    def __init__(
        self,
        url: str,
        *,
        chain: ChainId,
        client: Address,
        block: BlockNumber,
        kind: str,
        run: int,
        seed: int,
        own_bytes: int = OWN_BYTES,
    ) -> None:
        assert OWN_BYTES_LEAST <= own_bytes <= CLIENT_BYTES_MAX, own_bytes
        self._host = urlsplit(url).netloc.encode()
        self._run = run
        chance = Random(f"intake {seed} {run}")  # noqa: S311 - makes requests differ, keeps no secret
        self._pieces = [_pieces(_params(chance, kind, chain, client, block, own_bytes)) for _ in range(INTENTS)]

    def operation_id(self, index: int) -> str:
        return operation_id(self._run, index)

    def single(self, index: int) -> Submission:
        return Submission(self._post(self._call(index)), self._yes(index), 1)

    def batch(self, first: int, count: int) -> Submission:
        indexes = range(first, first + count)
        body = b"[" + b",".join([self._call(index) for index in indexes]) + b"]"
        return Submission(self._post(body), b"[" + b",".join([self._yes(i) for i in indexes]) + b"]", count)

    def _call(self, index: int) -> bytes:
        operation = self.operation_id(index).encode()
        task = sha256(operation).hexdigest().encode()
        head, around_tasks = self._pieces[index % INTENTS]
        return b'{"jsonrpc":"2.0","id":%d%b%b%b' % (index, head, operation, task.join(around_tasks))

    def _yes(self, index: int) -> bytes:
        id = self.operation_id(index)
        return f'{{"jsonrpc":"2.0","id":{index},"result":{{"operation_id":"{id}","state":"queued"}}}}'.encode()

    def _post(self, body: bytes) -> bytes:
        head = b"POST /rpc HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % (self._host, len(body)) + body


def operation_id(run: int, index: int) -> str:
    return f"in-{run:06d}{index:010d}"


def _pieces(params: object) -> tuple[bytes, list[bytes]]:
    """A request from behind its number on, cut where the operation id belongs, and wherever the task id does."""
    text = b',"method":"headrace_submit","params":' + msgspec.json.encode(params) + b"}"
    head, rest = text.split(_OPERATION_MARK.encode())
    return head, rest.split(_TASK_MARK.hex().encode())


def _params(
    chance: Random, kind: str, chain: ChainId, client: Address, block: BlockNumber, own_bytes: int
) -> object:
    intent = Intent(
        from_=Address(chance.randbytes(20)),
        to=Address(chance.randbytes(20)),
        value=chance.randrange(10**18),
        data=chance.randbytes(own_bytes - OWN_BYTES_LEAST),
        chain=chain,
        function_signature=FUNCTION,
    )
    task = Task(
        task_id=_TASK_MARK,
        policy_client=client,
        created_block=block,
        threshold_percent=67,
        intent=intent,
        intent_signature=chance.randbytes(SIGNATURE_BYTES),
        wasm_args=chance.randbytes(ARGUMENT_BYTES),
        quorum_numbers=b"\x00",
        timestamp=TIMESTAMP,
    )
    response = TaskResponse(
        task_id=_TASK_MARK,
        policy_client=client,
        policy_id=chance.randbytes(32),
        intent_hash=intent.hash(),
        evaluation_result=b"\x01",
        expire_block=EXPIRE_BLOCK,
    )
    payload: dict[str, object] = {"task": task_form(task)}
    if kind == CREATE_AND_RESPOND:
        payload |= {
            "response": response_form(response),
            "signature_data": hexed(chance.randbytes(SIGNATURE_DATA_BYTES)),
        }
    return {"operation_id": _OPERATION_MARK, "workload": "tasks", "kind": kind, "payload": payload}
