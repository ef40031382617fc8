"""What one lane offers for gas now."""

from headrace.core.fees import first_fees, market_fees, next_base_fee
from headrace.core.transaction import Policy
from headrace.core.words import Block, Fees


class Pricing:
    """`tip_wei` is the tip of a first offer."""

    def __init__(self, *, policy: Policy, tip_wei: int) -> None:
        self._policy, self._tip_wei = policy, tip_wei

    def market(self, block: Block) -> Fees:
        """What one would offer for the block after this one, without regard to the ceiling."""
        return market_fees(base_fee_wei=base_fee_after(block), tip_wei=self._tip_wei)

    def fees(self, block: Block) -> Fees:
        """The same, under the ceiling."""
        return first_fees(self.market(block), ceiling_wei=self._policy.batch_ceiling_wei)

    def priced_out(self, block: Block) -> str | None:
        """Why nothing can be sent now, where the base fee is above the ceiling."""
        base_fee = base_fee_after(block)
        if base_fee <= self._policy.batch_ceiling_wei:
            return None
        return f"base fee {base_fee} wei is above the fee ceiling of {self._policy.ceiling_wei} wei"


def base_fee_after(block: Block) -> int:
    return next_base_fee(base_fee_wei=block.base_fee_wei, gas_used=block.gas_used, gas_limit=block.gas_limit)
