"""Every signed transaction that was offered to a node, so that a reorg can bring back one that had lost.

Promises  bounded: of the newest nonces only.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from headrace.core.words import Nonce
from headrace.testing.faults import Fault, Faults, RpcRequest
from headrace.testing.raw_transaction import BadTransaction, read_transaction

NONCES_MAX: Final = 64

_texts: Final = msgspec.json.Decoder(list[str]).decode


class AttemptsSeen:
    """Of one account."""

    def __init__(self) -> None:
        self._by_nonce: OrderedDict[Nonce, list[bytes]] = OrderedDict()

    def noting(self, faults: Faults) -> Faults:
        """The same faults; what passes them is noted."""
        return _Noting(self, faults)

    def note(self, raw: bytes) -> None:
        try:
            nonce = read_transaction(raw).nonce
        except BadTransaction:
            return  # the proxy refuses it
        attempts = self._by_nonce.setdefault(nonce, [])
        if raw not in attempts:
            attempts.append(raw)
        if len(self._by_nonce) > NONCES_MAX:
            self._by_nonce.popitem(last=False)

    def others(self, raw: bytes) -> list[bytes]:
        """Attempts at the same nonce with other bytes."""
        return [other for other in self._by_nonce.get(read_transaction(raw).nonce, []) if other != raw]


class _Noting:
    def __init__(self, seen: AttemptsSeen, inside: Faults) -> None:
        self._seen, self._inside = seen, inside

    def choose(self, request: RpcRequest) -> Fault:
        if request.method == "eth_sendRawTransaction":
            try:
                (text, *_) = _texts(request.params)
                self._seen.note(bytes.fromhex(text.removeprefix("0x")))
            except ValueError:
                pass  # no transaction: the proxy says so
        return self._inside.choose(request)

    def keep_notification(self, notification: bytes) -> bool:
        return self._inside.keep_notification(notification)
