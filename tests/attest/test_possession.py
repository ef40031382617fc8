from headrace.attest import bls
from headrace.attest.possession import possession_digest, prove_possession, verify_possession
from headrace.core.words import Address, ChainId

CHAIN, REGISTRY, OPERATOR = ChainId(31337), Address(b"\x0a" * 20), Address(b"\x0b" * 20)
KEY, OTHER = (bls.SecretKey.from_bytes(bytes([i]) * 32) for i in (1, 3))


def test_a_proof_serves_for_its_key_operator_registry_and_chain_only() -> None:
    proof = prove_possession(KEY, chain=CHAIN, registry=REGISTRY, operator=OPERATOR)

    def holds(
        *,
        chain: ChainId = CHAIN,
        registry: Address = REGISTRY,
        operator: Address = OPERATOR,
        key: bls.SecretKey = KEY,
    ) -> bool:
        return verify_possession(
            proof, chain=chain, registry=registry, operator=operator, public_key=key.public_key
        )

    assert holds()
    assert not holds(chain=ChainId(1))
    assert not holds(registry=OPERATOR)
    assert not holds(operator=REGISTRY)
    assert not holds(key=OTHER)


def test_an_attestation_is_no_proof_of_possession() -> None:
    digest = possession_digest(chain=CHAIN, registry=REGISTRY, operator=OPERATOR, public_key=KEY.public_key)
    attested = bls.sign(KEY, digest)
    assert not verify_possession(
        attested, chain=CHAIN, registry=REGISTRY, operator=OPERATOR, public_key=KEY.public_key
    )


def test_a_key_made_to_cancel_anothers_cannot_prove_possession() -> None:
    # The rogue registers (own - victim's): its aggregate with the victim's key is its own key, so that it can
    # sign for both. It does not know the secret of what it registers.
    rogue = bls.subtract_keys(OTHER.public_key, [KEY.public_key])
    assert bls.aggregate_keys([rogue, KEY.public_key]) == OTHER.public_key
    digest = possession_digest(chain=CHAIN, registry=REGISTRY, operator=OPERATOR, public_key=rogue)
    for key in (KEY, OTHER):
        forged = bls.sign(key, digest, dst=bls.POSSESSION_DST)
        assert not verify_possession(forged, chain=CHAIN, registry=REGISTRY, operator=OPERATOR, public_key=rogue)
