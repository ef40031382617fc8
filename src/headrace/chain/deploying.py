"""Puts contracts on a chain and sets them up, one transaction after the other.

Owns      the transactions of a deployment: nonce, gas, fees, waiting.
Promises  each step is mined with success before the next is signed; a step that fails is named, with its revert
          decoded. The account must send nothing else meanwhile: this is not the engine, and keeps no record.
Leaves    which contracts and calls to `headrace deploy` and the demo, the record of them to `chain.deployments`.
"""

from typing import Final, assert_never

from eth_typing import HexAddress, HexStr
from web3.types import Nonce as Web3Nonce
from web3.utils.address import get_create_address

from headrace.chain.abi import Abi
from headrace.chain.artifacts import Artifact
from headrace.chain.deployments import Deployed
from headrace.chain.hexes import address_text, data_text, keccak
from headrace.chain.limits import OSAKA, Limits
from headrace.chain.node import RpcNode
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.errors import ContractRefused, NeedsOperator
from headrace.core.fees import market_fees, raise_fees
from headrace.core.ports import Clock, NodeTrouble, Reverted
from headrace.core.words import Address, Attempt, BlockNumber, ChainId, Fees, Nonce, Receipt, Reply

_GAS_MARGIN_PERCENT: Final = 25
_BUMP_PERCENT: Final = 15  # every node takes a replacement at +10 %
_OFFER_AGAIN_S: Final = 5.0


class Deployer:
    """Sends from one account. `tip_wei` per gas; `fee_ceiling_wei` is never exceeded. Times in seconds."""

    def __init__(
        self,
        node: RpcNode,
        signer: LocalSigner,
        *,
        chain: ChainId,
        clock: Clock,
        tip_wei: int = 10**9,
        fee_ceiling_wei: int = 500 * 10**9,
        limits: Limits = OSAKA,
        mined_within_s: float = 180.0,
        poll_every_s: float = 0.2,
    ) -> None:
        self._node = node
        self._signer = signer
        self._chain = chain
        self._clock = clock
        self._tip_wei = tip_wei
        self._fee_ceiling_wei = fee_ceiling_wei
        self._limits = limits
        self._mined_within_s = mined_within_s
        self._poll_every_s = poll_every_s

    async def deploy(self, artifact: Artifact, *args: object) -> Deployed:
        """Creates a contract with these constructor arguments.

        Raises ContractRefused (its constructor reverts), NeedsOperator (no coin, too big, not mined in time),
        ValueError (arguments that do not fit), NodeTrouble."""
        what = f"deploy {artifact.name}"
        init_code = artifact.init_code(*args)
        nonce = await self._next_nonce()
        receipt = await self._carry_out(None, init_code, what, Errors.of(artifact.abi), nonce)
        address = contract_address(self._signer.address, nonce)
        code = await self._node.code(address)
        if not code:
            raise NeedsOperator(
                f"{what}: mined in block {receipt.block}, but there is no code at {address_text(address)}"
            )
        return Deployed(
            address=address, block=receipt.block, transaction=receipt.transaction, code_hash=keccak(code)
        )

    async def transact(self, to: Address, data: bytes, what: str, *, abi: Abi | None = None) -> Receipt:
        """One call, for example a set-up step. `what` names it in errors; `abi` is for decoding its revert.
        Raises as `deploy`."""
        errors = Errors.of(abi) if abi is not None else Errors.of()
        return await self._carry_out(to, data, what, errors, await self._next_nonce())

    async def _next_nonce(self) -> Nonce:
        latest, pending = await self._node.nonces(self._signer.address)
        if latest != pending:
            # Ours would wait behind it, or replace it.
            raise NeedsOperator(
                f"the account {address_text(self._signer.address)} has {pending - latest} transactions pending: "
                "wait until they are mined, or deploy from another account"
            )
        return latest

    async def _carry_out(
        self, to: Address | None, data: bytes, what: str, errors: Errors, nonce: Nonce
    ) -> Receipt:
        gas_limit = await self._gas_limit(to, data, what, errors)
        base_fee_wei = (await self._node.head()).base_fee_wei
        fees = market_fees(base_fee_wei=base_fee_wei, tip_wei=self._tip_wei)
        if fees.max_fee_wei > self._fee_ceiling_wei:
            raise NeedsOperator(
                f"{what}: gas costs {base_fee_wei} wei now, the ceiling is {self._fee_ceiling_wei}: deploy later"
            )
        attempt = self._sign(to, data, nonce, gas_limit, fees)
        receipt = await self._until_mined(attempt, what)
        if not receipt.ok:
            raise await self._explain(receipt, to, data, what, errors, gas_limit)
        return receipt

    def _sign(self, to: Address | None, data: bytes, nonce: Nonce, gas_limit: int, fees: Fees) -> Attempt:
        if to is None:
            return self._signer.sign_creation(
                chain=self._chain, nonce=nonce, init_code=data, gas_limit=gas_limit, fees=fees
            )
        return self._signer.sign(chain=self._chain, nonce=nonce, to=to, data=data, gas_limit=gas_limit, fees=fees)

    async def _gas_limit(self, to: Address | None, data: bytes, what: str, errors: Errors) -> int:
        estimate = await self._node.estimate_gas(sender=self._signer.address, to=to, data=data)
        if isinstance(estimate, Reverted):
            raise self._refused(what, estimate.data, errors)
        most = self._limits.transaction_gas_max
        if most is not None and estimate > most:
            raise NeedsOperator(
                f"{what}: needs {estimate} gas, a transaction may have {most} ({self._limits.fork})"
            )
        gas_limit = estimate * (100 + _GAS_MARGIN_PERCENT) // 100
        return gas_limit if most is None else min(gas_limit, most)

    async def _until_mined(self, attempt: Attempt, what: str) -> Receipt:
        """Looks for a receipt of any attempt, and now and then offers the same bytes again: that is harmless."""
        attempts = [attempt]
        deadline = self._clock.now() + self._mined_within_s
        offer_at = self._clock.now()
        text = ""
        while True:
            try:
                for sent in attempts:
                    if (receipt := await self._node.receipt(sent.hash)) is not None:
                        return receipt
            except NodeTrouble as trouble:
                text = str(trouble)
            if self._clock.now() >= deadline:
                hashes = ", ".join(data_text(sent.hash) for sent in attempts)
                raise NeedsOperator(
                    f"{what}: not mined in {self._mined_within_s:g} s; it may still be. Look for {hashes}"
                    + (f" (last answer: {text})" if text else "")
                )
            if self._clock.now() < offer_at:
                await self._clock.sleep(self._poll_every_s)
                continue
            offer_at = self._clock.now() + _OFFER_AGAIN_S
            reply, text = await self._node.send(attempts[-1].raw)
            match reply:
                case Reply.REFUSED | Reply.TOO_LARGE:
                    raise NeedsOperator(f"{what}: the node refuses the transaction: {text}")
                case Reply.FUND_LANE:
                    raise NeedsOperator(
                        f"{what}: the account {address_text(self._signer.address)} is short of coin: {text}"
                    )
                case Reply.RAISE_FEES:
                    attempts.append(await self._raise(attempts[-1], what))
                    offer_at = self._clock.now()
                case Reply.IN_POOL | Reply.UNSURE | Reply.SEND_LATER | Reply.LOOK_FOR_RECEIPT:
                    continue
                case _:
                    assert_never(reply)

    async def _raise(self, attempt: Attempt, what: str) -> Attempt:
        base_fee_wei = (await self._node.head()).base_fee_wei
        fees = raise_fees(
            attempt.fees,
            market_fees(base_fee_wei=base_fee_wei, tip_wei=self._tip_wei),
            bump_percent=_BUMP_PERCENT,
            ceiling_wei=self._fee_ceiling_wei,
        )
        if fees is None:
            raise NeedsOperator(
                f"{what}: the node wants more than the ceiling of {self._fee_ceiling_wei} wei per gas"
            )
        return self._signer.sign_again(attempt, fees=fees)

    async def _explain(
        self, receipt: Receipt, to: Address | None, data: bytes, what: str, errors: Errors, gas_limit: int
    ) -> ContractRefused:
        """Why a mined transaction failed: it is run again on the state before its block."""
        if to is not None:
            again = await self._node.call(
                to=to,
                data=data,
                sender=self._signer.address,
                gas=gas_limit,
                as_of=BlockNumber(receipt.block - 1),
                in_block=receipt.block,
            )
            if isinstance(again, Reverted):
                return self._refused(what, again.data, errors)
        return ContractRefused(
            f"{what}: mined in block {receipt.block} and failed, {receipt.gas_used} of {gas_limit} gas used",
            selector="0x",
            name=None,
            args={},
        )

    def _refused(self, what: str, revert_data: bytes, errors: Errors) -> ContractRefused:
        revert = errors.decode(revert_data)
        return ContractRefused(
            f"{what}: {revert}", selector=data_text(revert.selector), name=revert.name, args=dict(revert.args)
        )


def contract_address(creator: Address, nonce: Nonce) -> Address:
    """Where a creation transaction puts its contract."""
    text = get_create_address(HexAddress(HexStr(address_text(creator))), Web3Nonce(nonce))
    return Address(bytes.fromhex(text.removeprefix("0x")))
