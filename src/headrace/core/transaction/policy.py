"""The numbers that the rules of a transaction go by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`confirmations` 1 means: final in the block it is mined in."""

    reprice_after_s: float
    blocks_fitted_min: int = 2  # a replacement before the tx had a fair chance only costs money
    bump_percent: int
    ceiling_wei: int
    confirmations: int

    @property
    def batch_ceiling_wei(self) -> int:
        """One raise below the ceiling: a batch that can no longer land must leave room for the no-op after it."""
        return self.ceiling_wei * 100 // (100 + self.bump_percent)
