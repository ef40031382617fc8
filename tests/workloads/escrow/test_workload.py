import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from headrace.chain.abi_codec import Undecodable
from headrace.core.errors import FixTheRequest
from headrace.core.ports import Effect, Judgement, NodeTrouble, Seen
from headrace.core.words import Address, Verdict
from headrace.workloads.escrow.lock_state import find_lock
from headrace.workloads.escrow.payload import (
    CANCEL,
    CLAIM,
    KINDS,
    LOCK,
    RELEASE,
    UINT256_MAX,
    WITHDRAW,
    LockKey,
    Payload,
)
from workloads.escrow.making import (
    ESCROW,
    KEY,
    PAYEE,
    PAYER,
    PAYLOADS,
    PROOF,
    STRANGER,
    TOKEN,
    error,
    locks_answer,
    operation,
    other,
    workload,
)

SIGNATURES = {
    LOCK: ["uint256[]", "address[]", "address[]", "uint256[]", "uint256[]"],
    CLAIM: ["uint256[]", "address[]", "address[]", "uint256[]", "bytes[]"],
    RELEASE: ["uint256[]", "address[]", "address[]", "uint256[]", "bytes[]"],
    CANCEL: ["uint256[]", "address[]", "address[]", "address[]"],
    WITHDRAW: ["address[]", "uint256[]"],
}
FUNDS = encode(["uint256", "uint256"], [60, 40])


def arguments(kind: str) -> tuple[tuple[object, ...], ...]:
    call = workload().call(kind, [operation(kind)] * 2, strict=True)
    assert call.to == ESCROW
    return decode(SIGNATURES[kind], call.data[4:])


def text(address: Address) -> str:
    return f"0x{address.hex()}"


def test_each_kind_travels_with_its_arguments_one_array_each() -> None:
    jobs, tokens, payers = (7, 7), (text(TOKEN),) * 2, (text(PAYER),) * 2
    assert arguments(LOCK) == (jobs, tokens, payers, (100, 100), (3600, 3600))
    assert arguments(CLAIM) == (jobs, tokens, payers, (60, 60), (PROOF, PROOF))
    assert arguments(RELEASE) == (jobs, tokens, payers, (0, 0), (PROOF, PROOF))
    assert arguments(CANCEL) == (jobs, tokens, payers, (text(PAYEE),) * 2)
    assert arguments(WITHDRAW) == (tokens, (60, 60))


@pytest.mark.parametrize("kind", [CLAIM, RELEASE])
def test_what_is_claimed_stays_in_the_escrow_and_so_does_all_else_that_the_payee_has_there(kind: str) -> None:
    """The functions that claim and withdraw at once pay out all of it, the payee's own deposits too."""
    called = workload().call(kind, [operation(kind)], strict=True).data[:4]
    assert called == keccak(text="claimLocks(uint256[],address[],address[],uint256[],bytes[])")[:4]


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_an_item_is_what_it_adds_to_a_batch(kind: str) -> None:
    one, two = (len(workload().call(kind, [operation(kind)] * n, strict=True).data) for n in (1, 2))
    assert workload().size(operation(kind)) == two - one


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_survives_its_packing(kind: str) -> None:
    assert Payload.unpack(PAYLOADS[kind].pack()) == PAYLOADS[kind]
    huge = Payload(key=other(KEY, job=UINT256_MAX), amount=UINT256_MAX, proof=b"")
    assert Payload.unpack(huge.pack()) == huge


def test_only_the_payee_may_send_it() -> None:
    assert operation(CLAIM).sender == PAYEE


def test_what_concerns_one_lock_has_one_subject() -> None:
    assert operation(CLAIM).subject == operation(CANCEL).subject
    others = [
        other(KEY, job=8),
        other(KEY, payer=STRANGER),
        other(KEY, token=STRANGER),
        other(KEY, payee=STRANGER),
    ]
    assert len({KEY.digest(), *(key.digest() for key in others)}) == 5


def test_a_lock_is_found_among_others_and_with_the_words_of_either_version() -> None:
    others = [(other(KEY, job=8), 1), (other(KEY, payer=STRANGER), 2), (other(KEY, token=STRANGER), 3)]
    for words in (5, 6):
        found = find_lock(locks_answer(*others, (KEY, 100), words=words), KEY)
        assert found is not None
        assert (found.amount, found.expiry) == (100, 1_700_000_000)
        assert find_lock(locks_answer(*others, words=words), KEY) is None
    assert find_lock(locks_answer(), KEY) is None


@pytest.mark.parametrize(
    "answer", [b"", bytes(32), locks_answer((KEY, 1))[:-32], locks_answer((KEY, 1)) + bytes(64), b"\x01" * 64]
)
def test_an_answer_that_cannot_be_read_is_not_an_absent_lock(answer: bytes) -> None:
    with pytest.raises(Undecodable):
        find_lock(answer, KEY)
    with pytest.raises(NodeTrouble, match="getLocks"):
        workload().probed(operation(CLAIM), [answer])


@pytest.mark.parametrize("kind", [CLAIM, RELEASE, CANCEL])
def test_what_needs_a_lock_travels_on_while_the_lock_lives(kind: str) -> None:
    assert workload().probed(operation(kind), [locks_answer((KEY, 100))]) == Seen(Effect.UNSEEN)


@pytest.mark.parametrize("kind", [CLAIM, RELEASE, CANCEL])
def test_a_lock_that_is_gone_is_never_taken_for_a_claim_of_ours(kind: str) -> None:
    found = workload().probed(operation(kind), [locks_answer()])
    assert isinstance(found, Judgement)
    assert found.verdict is Verdict.CONFLICT


def test_a_lock_is_there_by_its_amount() -> None:
    lock = operation(LOCK)
    assert workload().probed(lock, [locks_answer()]) == Seen(Effect.UNSEEN)
    assert workload().probed(lock, [locks_answer((KEY, 100))]) == Seen(Effect.DONE)
    found = workload().probed(lock, [locks_answer((KEY, 99))])
    assert isinstance(found, Judgement)
    assert found.verdict is Verdict.CONFLICT


def test_a_withdrawal_of_more_than_is_there_is_told_before_it_does_nothing() -> None:
    withdraw = operation(WITHDRAW)
    assert workload().probed(withdraw, [FUNDS]) == Seen(Effect.UNSEEN)
    found = workload().probed(withdraw, [encode(["uint256", "uint256"], [59, 0])])
    assert isinstance(found, Judgement)
    assert (found.verdict, "59 available" in found.reason) == (Verdict.CONFLICT, True)


@pytest.mark.parametrize(
    ("kind", "said", "verdict"),
    [
        (CLAIM, "Lock not found", Verdict.CONFLICT),
        (RELEASE, "Lock not found", Verdict.CONFLICT),
        (CLAIM, "Amount too high", Verdict.REJECTED),
        (LOCK, "Payer does not have enough funds", Verdict.REJECTED),
        (LOCK, "No auth found", Verdict.REJECTED),
        (LOCK, "Expiry too high", Verdict.REJECTED),
        (LOCK, "Exceeds maxLockedAmount", Verdict.REJECTED),
        (LOCK, "Exceeds maxLockCounts", Verdict.REJECTED),
        (LOCK, "Payeer cannot be payee", Verdict.REJECTED),
        (LOCK, "Payer cannot be payee", Verdict.REJECTED),
        (CLAIM, "something new", Verdict.RETRY),
    ],
)
def test_a_revert_is_judged_by_its_selector_and_its_text(kind: str, said: str, verdict: Verdict) -> None:
    judgement = workload().judge(operation(kind), error(said), [])
    assert judgement.verdict is verdict
    assert judgement.reason


def test_only_arguments_that_the_escrow_does_not_know_refuse_every_batch() -> None:
    assert workload().refuses_all(error("Invalid input"))
    assert not workload().refuses_all(error("Lock not found"))


def test_no_revert_data_is_no_gas_and_never_a_refusal() -> None:
    empty = workload().read_revert(b"")
    assert workload().judge(operation(CLAIM), empty, []).verdict is Verdict.MORE_GAS


@pytest.mark.parametrize(
    ("locks", "verdict"),
    [
        (locks_answer((KEY, 100)), Verdict.ALREADY_DONE),
        (locks_answer((KEY, 99)), Verdict.CONFLICT),
        (locks_answer((other(KEY, token=STRANGER), 100)), Verdict.CONFLICT),
    ],
)
def test_a_number_that_is_taken_is_ours_only_with_our_token_and_amount(locks: bytes, verdict: Verdict) -> None:
    revert = error("JobId already exists")
    lock = operation(LOCK)
    (question,) = workload().questions(lock, revert)
    assert question.to == ESCROW
    assert workload().judge(lock, revert, [locks]).verdict is verdict


def test_other_reverts_ask_nothing() -> None:
    assert workload().questions(operation(CLAIM), error("Lock not found")) == []


@pytest.mark.parametrize(
    ("kind", "payload", "field"),
    [
        ("steal", PAYLOADS[CLAIM], "kind"),
        (CLAIM, Payload(key=other(KEY, job=0), amount=1), "job"),
        (CLAIM, Payload(key=other(KEY, job=UINT256_MAX + 1), amount=1), "job"),
        (CLAIM, Payload(key=other(KEY, payer=PAYEE), amount=1), "payer"),
        (LOCK, Payload(key=other(KEY, payer=Address(bytes(20))), amount=1, duration_s=1), "payer"),
        (CLAIM, Payload(key=other(KEY, token=Address(bytes(20))), amount=1), "token"),
        (CLAIM, Payload(key=KEY, amount=0), "amount"),
        (LOCK, Payload(key=KEY, amount=UINT256_MAX + 1, duration_s=1), "amount"),
        (LOCK, Payload(key=KEY, amount=-1, duration_s=1), "amount"),
        (LOCK, Payload(key=KEY, amount=1, duration_s=0), "duration_s"),
        (LOCK, Payload(key=KEY, amount=1, duration_s=1 << 63), "duration_s"),
    ],
)
def test_what_no_contract_would_take_is_refused_by_its_field(kind: str, payload: Payload, field: str) -> None:
    with pytest.raises(FixTheRequest, match=f"^{field}: "):
        operation(kind, payload)


def test_the_same_wish_has_the_same_digest_and_another_has_another() -> None:
    assert operation(CLAIM, id="a").content == operation(CLAIM, id="b").content
    different = Payload(key=KEY, amount=61, proof=PROOF)
    assert operation(CLAIM).content != operation(CLAIM, different).content
    assert operation(CLAIM).content != operation(RELEASE).content


def test_a_key_names_one_lock() -> None:
    assert LockKey(payee=PAYEE, payer=PAYER, token=TOKEN, job=7) == KEY
