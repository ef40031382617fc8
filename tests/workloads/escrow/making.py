"""An escrow workload, and what a chain would show of its operations."""

from dataclasses import replace

from eth_abi.abi import encode

from headrace.chain.reverts import Errors
from headrace.core.operation import Operation
from headrace.core.words import Address, BlockHash, BlockNumber, ChainId, Log, OperationId, Receipt, Revert, TxHash
from headrace.workloads.escrow import events
from headrace.workloads.escrow.operations import operation_of, withdrawal
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE, WITHDRAW, LockKey, Payload
from headrace.workloads.escrow.workload import Escrow, EscrowContract

ESCROW = Address(b"\xe5" * 20)
PAYEE = Address(b"\x01" * 20)
PAYER = Address(b"\x02" * 20)
TOKEN = Address(b"\x03" * 20)
STRANGER = Address(b"\x99" * 20)
PROOF = b"\x44" * 32
KEY = LockKey(payee=PAYEE, payer=PAYER, token=TOKEN, job=7)

PAYLOADS = {
    LOCK: Payload(key=KEY, amount=100, duration_s=3600),
    CLAIM: Payload(key=KEY, amount=60, proof=PROOF),
    RELEASE: Payload(key=KEY, proof=PROOF),
    CANCEL: Payload(key=KEY),
    WITHDRAW: withdrawal(PAYEE, TOKEN, 60, earned_in=TxHash(b"\x55" * 32)),
}


def workload() -> Escrow:
    return Escrow(EscrowContract(address=ESCROW), read_revert=Errors.of().decode)


def operation(kind: str, payload: Payload | None = None, *, id: str = "job/1") -> Operation:
    return operation_of(
        id=OperationId(id),
        chain=ChainId(31337),
        kind=kind,
        payload=PAYLOADS[kind] if payload is None else payload,
        received_at=0.0,
    )


def error(text: str) -> Revert:
    return workload().read_revert(bytes.fromhex("08c379a0") + encode(["string"], [text]))


def other(key: LockKey, **changed: object) -> LockKey:
    return replace(key, **changed)  # type: ignore[arg-type]


def lock_log(key: LockKey = KEY, *, amount: int = 100, by: Address = ESCROW) -> Log:
    data = encode(
        ["address", "address", "uint256", "uint256", "uint256", "address"],
        [key.payer, key.payee, key.job, amount, 3600, key.token],
    )
    return Log(by, (events.LOCK_TOPIC,), data)


def claimed_log(key: LockKey = KEY, *, amount: int = 60, by: Address = ESCROW) -> Log:
    data = encode(["uint256", "address", "uint256", "bytes"], [key.job, key.token, amount, PROOF])
    return Log(by, (events.CLAIMED_TOPIC, _topic(key.payee), _topic(key.payer)), data)


def canceled_log(key: LockKey = KEY, *, amount: int = 100, by: Address = ESCROW) -> Log:
    data = encode(["uint256", "address", "uint256"], [key.job, key.token, amount])
    return Log(by, (events.CANCELED_TOPIC, _topic(key.payee), _topic(key.payer)), data)


def withdraw_log(*, who: Address = PAYEE, amount: int = 60, by: Address = ESCROW) -> Log:
    return Log(by, (events.WITHDRAW_TOPIC, _topic(who)), encode(["address", "uint256"], [TOKEN, amount]))


def receipt(*logs: Log) -> Receipt:
    return Receipt(
        transaction=TxHash(bytes(32)),
        block=BlockNumber(5),
        block_hash=BlockHash(bytes(32)),
        ok=True,
        gas_used=1,
        gas_price_wei=1,
        logs=logs,
    )


def locks_answer(*locks: tuple[LockKey, int], words: int = 5) -> bytes:
    types = ["uint256", "address", "uint256", "uint256", "address", "uint256"][:words]
    rows = [(key.job, key.payer, amount, 1_700_000_000, key.token, 1_600_000_000)[:words] for key, amount in locks]
    return encode([f"({','.join(types)})[]"], [rows])


def _topic(address: Address) -> bytes:
    return bytes(12) + address
