"""A contract for tests that says what task contracts say, on command. It shares nothing with the watcher: topics
are written out here.

Source (Yul), compiled with the project's solc:

    object "Emitter" {
      code { datacopy(0, dataoffset("r"), datasize("r")) return(0, datasize("r")) }
      object "r" {
        code {
          for { let i := 0 } lt(i, calldatasize()) { i := add(i, 96) } {
            let id := calldataload(add(i, 32))
            mstore(64, calldataload(add(i, 64)))
            switch calldataload(i)
            case 1 { log3(64, 32, <NewTaskCreated>, id, caller()) }
            case 2 { log2(64, 32, <TaskResponded>, id) }
            case 3 { mstore(0, 32) mstore(32, 4) log3(0, 96, <BatchItemFailed>, div(i, 96), id) }
            default { revert(0, 0) }
          }
        }
      }
    }
"""

from dataclasses import dataclass
from typing import Any

from headrace.testing.anvil import Anvil

CREATED = "25676e6dec2b94608142319f425d0c8883e009cd640e09848b73d64ab347e3c6"
RESPONDED = "5148b6d7ccc18273b51528d84a63d9c49aaedb050c28eafd738de7ce9151a6e1"
ITEM_FAILED = "f4a6cccd83d36d883e52a6d7865e090a4867ae2b600861b77e779ae0b5d07bba"

BYTECODE = (
    "60c880600a5f395ff3fe5f5b368110600957005b602081013590604081013560405280358060011460985780600214606a57"
    "6003146031575f80fd5b60609160205f5260046020528282047f"
    + ITEM_FAILED
    + "845fa35b016001565b506060917f"
    + RESPONDED
    + "60206040a26065565b5060609133907f"
    + CREATED
    + "60206040a3606556"
)


def task_id(number: int) -> bytes:
    return number.to_bytes(32)


def created(number: int) -> bytes:
    return _record(1, number, task_id(number + 1_000))


def responded(number: int) -> bytes:
    return _record(2, number, task_id(number + 2_000))


def failed(number: int, reason: bytes = b"\xde\xad\xbe\xef") -> bytes:
    return _record(3, number, reason.ljust(32, b"\0"))


REVERT = (9).to_bytes(32) + bytes(64)


def _record(kind: int, number: int, argument: bytes) -> bytes:
    return kind.to_bytes(32) + task_id(number) + argument


@dataclass(frozen=True)
class Emitter:
    anvil: Anvil
    address: bytes

    async def say(self, *records: bytes, sender: int = 0) -> bytes:
        """Puts a transaction into the pool. Returns its hash."""
        transaction = {
            "from": "0x" + self.anvil.keys[sender].address.hex(),
            "to": "0x" + self.address.hex(),
            "data": "0x" + b"".join(records).hex(),
            "gas": hex(1_000_000),
        }
        return bytes.fromhex((await self.anvil.rpc.ask("eth_sendTransaction", transaction))[2:])


async def deploy_emitter(anvil: Anvil) -> Emitter:
    """Mines a block to do it."""
    sender = "0x" + anvil.keys[0].address.hex()
    transaction = {"from": sender, "data": "0x" + BYTECODE, "gas": hex(1_000_000)}
    hash_ = await anvil.rpc.ask("eth_sendTransaction", transaction)
    await anvil.mine()
    receipt: dict[str, Any] = await anvil.rpc.ask("eth_getTransactionReceipt", hash_)
    assert receipt["status"] == "0x1"
    return Emitter(anvil, bytes.fromhex(receipt["contractAddress"][2:]))
