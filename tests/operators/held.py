"""The BLS scheme, held up in its checks."""

import threading

from headrace.attest import bls


class Held:
    """Checks wait until `may_go_on`; `sizes` notes how many claims each check saw at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go_on = threading.Event()
        self.error: Exception | None = None

    parse_public_key = staticmethod(bls.parse_public_key)
    aggregate_keys = staticmethod(bls.aggregate_keys)
    subtract_keys = staticmethod(bls.subtract_keys)
    check_signature = staticmethod(bls.check_signature)
    aggregate_signatures = staticmethod(bls.aggregate_signatures)

    def verify(self, public_key: bls.PublicKey, digest: bytes, signature: bytes, /) -> bool:
        return self.verify_all([(public_key, digest, signature)])

    def verify_all(self, claims: list[tuple[bls.PublicKey, bytes, bytes]], /) -> bool:
        self.sizes.append(len(claims))
        assert self.may_go_on.wait(30)
        if self.error is not None:
            raise self.error
        return bls.verify_all(claims)
