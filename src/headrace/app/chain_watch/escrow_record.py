"""What an escrow's whole history shows: locks with their ends, the money of each account, the transactions.

Owns      the sums, and what must be true of them. No I/O.
Promises  every figure comes from an event, a receipt or a view of the contract, none from another figure of ours:
          so the books can be held against each other.
Leaves    reading the chain to `escrow_read`, what a job should have cost to others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`log`: the place of the event in its block."""

    transaction: bytes
    block: int
    timestamp_s: int
    log: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """`claimed`: by a Claimed event, else by a Canceled one. `amount`: what was paid, or given back."""

    claimed: bool
    amount: int
    proof: bytes
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSeen:
    """`expiry` in unix seconds, as its own block's time and its duration make it."""

    payee: bytes
    payer: bytes
    token: bytes
    job: int
    amount: int
    expiry: int
    made: Place
    end: EndSeen | None = None

    @property
    def paid(self) -> int:
        return self.end.amount if self.end is not None and self.end.claimed else 0

    @property
    def returned(self) -> int:
        return 0 if self.end is None else self.amount - self.paid


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """A mined transaction to the escrow, also a reverted one. `selector` of the function that it called; `locks`,
    `claims` and `cancels`: how many events of each it left."""

    place: Place
    sender: bytes
    nonce: int
    selector: bytes
    ok: bool
    gas_used: int
    gas_limit: int
    fee_wei: int
    locks: int
    claims: int
    cancels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """Of one user and token. The first three as the escrow's view says at the end, the others are sums of events;
    `earned` is what claims brought a payee, before fees."""

    available: int
    locked: int
    deposited: int = 0
    withdrawn: int = 0
    paid: int = 0
    earned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSeen:
    """`held`: the escrow's balance, as the token says; `fees`: what it sent to the collector, by Transfer."""

    held: int
    fees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRecord:
    """`locks` in the order of the chain. `accounts` by user and token."""

    first_block: int
    last_block: int
    locks: Sequence[LockSeen]
    calls: Sequence[CallSeen]
    accounts: Mapping[tuple[bytes, bytes], AccountSeen]
    tokens: Mapping[bytes, TokenSeen]
    loose_ends: int  # Claimed or Canceled events without a lock that was live: never, on a sound escrow

    def calls_of(self, sender: bytes) -> Sequence[CallSeen]:
        return [call for call in self.calls if call.sender == sender]

    def imbalances(self) -> Iterator[str]:
        """What does not add up, in words. Nothing: the books balance."""
        if self.loose_ends:
            yield f"{self.loose_ends} locks ended that were not there"
        for token, seen in self.tokens.items():
            yield from self._of_token(token, seen)
        for (user, token), account in self.accounts.items():
            yield from self._of_account(user, token, account)

    def _of_token(self, token: bytes, seen: TokenSeen) -> Iterator[str]:
        accounts = [account for (_, of), account in self.accounts.items() if of == token]
        deposited = sum(account.deposited for account in accounts)
        withdrawn = sum(account.withdrawn for account in accounts)
        inside = sum(account.available + account.locked for account in accounts)
        if deposited != inside + withdrawn + seen.fees:
            yield (
                f"token 0x{token.hex()}: {deposited} deposited, and {inside} inside + {withdrawn} withdrawn + "
                f"{seen.fees} of fees are {inside + withdrawn + seen.fees}"
            )
        if seen.held != inside:
            yield f"token 0x{token.hex()}: the escrow holds {seen.held}, its accounts add up to {inside}"

    def _of_account(self, user: bytes, token: bytes, account: AccountSeen) -> Iterator[str]:
        live = [lock for lock in self.locks if lock.end is None and (lock.payer, lock.token) == (user, token)]
        locked = sum(lock.amount for lock in live)
        if locked != account.locked:
            yield f"0x{user.hex()}: {account.locked} locked by the view, {locked} by the events"
        if account.earned:
            return  # a payee's share depends on the fee: checked by the token's sum
        left = account.deposited - account.withdrawn - account.paid - account.locked
        if left != account.available:
            yield f"0x{user.hex()}: {account.available} available by the view, {left} by the events"
