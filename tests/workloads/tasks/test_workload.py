from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.gas import GasBook
from headrace.core.ports import Call
from headrace.core.words import Revert, Verdict
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER, Builder
from headrace.workloads.tasks import batches
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, KINDS, RESPOND
from headrace.workloads.tasks.workload import BATCH_PARTIAL_FAILURE
from workloads.tasks.making import BATCHED, ERRORS, SINGLY, payload, revert, workload

MADE = Builder(5)

# Computed independently of this code.
PUBLISHED = {
    "2e98c533": "TaskAlreadyExists",
    "68905dff": "TaskAlreadyResponded",
    "7377ed8f": "TaskMismatch",
    "eb2329fc": "TaskResponseMismatch",
    "ef58cb64": "TaskResponseTooLate",
    "b97635bc": "InvalidTaskCreatedBlock",
    "499118a5": "TaskCreatedBlockInFuture",
    "eb790a32": "TaskCreatedBlockTooOld",
    "98098840": "OnlyTaskGenerator",
    "ec9758ff": "InsufficientQuorumStake",
    "06dfb451": "InsufficientGasForItem",
    "b52cd890": "ItemLikelyOutOfGas",
    "82b42900": "Unauthorized",
    "ab1b236b": "InvalidBLSSignature",
    "4b874f45": "InvalidReferenceBlocknumber",
    "7db5cbbe": "InvalidIntent",
    "fea707d9": "InvalidTaskId",
    "2c7ca6d7": "InterfaceNotSupported",
    "08c379a0": "Error",
    "4e487b71": "Panic",
}


def padded(selector: str) -> bytes:
    """Enough words behind it for every error of these."""
    words = encode(["bytes32"] * 3, [bytes(32)] * 3)
    return bytes.fromhex(selector) + (encode(["string"], ["no"]) if selector == "08c379a0" else words)


@pytest.mark.parametrize("selector", PUBLISHED)
def test_the_selectors_are_the_published_ones(selector: str) -> None:
    assert ERRORS.decode(padded(selector)).name == PUBLISHED[selector]


def test_the_selector_of_a_partial_failure_is_the_published_one() -> None:
    assert BATCH_PARTIAL_FAILURE.hex() == "19ed9977"


# ---- Where it goes


def test_what_is_sent_is_the_form_that_commits_the_rest_and_what_is_simulated_is_the_strict_one() -> None:
    operations = [MADE.operation() for _ in range(3)]
    payloads = [payload(o) for o in operations]
    for strict in (True, False):
        call = workload().call(CREATE_AND_RESPOND, operations, strict=strict)
        data = batches.batch_calldata(CREATE_AND_RESPOND, payloads, strict=strict)
        assert call == Call(BATCH_TASK_MANAGER, data)


def test_a_contract_with_the_strict_form_only_is_sent_that() -> None:
    tasks = workload(replace(BATCHED, strict_only=True))
    operations = [MADE.operation()]
    assert tasks.call(CREATE_AND_RESPOND, operations, strict=False) == tasks.call(
        CREATE_AND_RESPOND, operations, strict=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch_contract_each_goes_straight_to_the_task_manager(kind: str) -> None:
    tasks, operation = workload(SINGLY), MADE.operation(kind)
    assert tasks.most_per_transaction == 1
    assert kind in tasks.forms
    assert tasks.call(kind, [operation], strict=False) == Call(
        TASK_MANAGER, batches.single_calldata(kind, payload(operation))
    )


def test_what_others_build_on_travels_first() -> None:
    for contracts in (BATCHED, SINGLY):
        forms = workload(contracts).forms
        assert forms.index(CREATE) < forms.index(RESPOND)


def test_every_form_has_a_first_guess_of_its_gas() -> None:
    for contracts in (BATCHED, SINGLY):
        tasks = workload(contracts)
        for form in tasks.forms:
            guess = tasks.gas_guess(form)
            assert guess.per_transaction >= 21_000
            assert guess.tail >= contracts.item_gas if contracts.batch else guess.tail == 0


def test_alone_a_short_create_that_learned_from_a_long_one_does_not_run_dry() -> None:
    """Seen on anvil: 70,097 gas with 1,248 bytes, then 67,063 with 928."""
    gas = GasBook().of(workload(SINGLY), CREATE)
    gas.learn(gas_used=70_097, sizes=[1_248])
    assert 67_063 < gas.of_batch([928]) < 80_000


def test_a_batch_contract_of_others_is_expected_to_check_each_signature_by_itself() -> None:
    together, apart = workload(BATCHED), workload(replace(BATCHED, strict_only=True))
    for form in (RESPOND, CREATE_AND_RESPOND):
        assert together.gas_guess(form).per_item < apart.gas_guess(form).per_item
        assert together.gas_guess(form).per_transaction > apart.gas_guess(form).per_transaction
    assert together.gas_guess(CREATE) == apart.gas_guess(CREATE)


def test_what_answers_have_in_common_is_who_signed_and_as_of_which_block() -> None:
    one, other, later = (MADE.operation(created_block=block) for block in (7, 7, 8))
    of = workload().in_common
    assert of(one) == of(other)
    assert of(one)[0] == of(later)[0] != of(one)[1] != of(later)[1]
    absent = payload(one)
    absent = replace(absent, signature_data=absent.signature_data[:-1] + b"\x02")
    assert not set(of(replace(one, payload=absent.pack()))) & set(of(one))


def test_where_signatures_are_checked_one_by_one_or_there_are_none_nothing_is_in_common() -> None:
    answer, create = MADE.operation(), MADE.operation(CREATE)
    assert workload().in_common(create) == workload().in_common(replace(answer, form=CREATE)) == ()
    for contracts in (SINGLY, replace(BATCHED, strict_only=True)):
        assert workload(contracts).in_common(answer) == ()


def test_its_size_follows_the_form_it_travels_in() -> None:
    operation = MADE.operation(CREATE_AND_RESPOND)
    as_create = workload().size(replace(operation, form=CREATE))
    assert as_create < workload().size(operation)


# ---- What failed in a batch


def partial_failure(*items: tuple[int, bytes]) -> Revert:
    listed = [(index, bytes(32), reason) for index, reason in items]
    return ERRORS.decode(BATCH_PARTIAL_FAILURE + encode(["(uint256,bytes32,bytes)[]"], [listed]))


@given(st.dictionaries(st.integers(0, 9), st.binary(max_size=80)))
def test_a_partial_failure_is_read_with_all_its_items(reasons: dict[int, bytes]) -> None:
    found = workload().failures(partial_failure(*reasons.items()), 10)
    assert (found or {}) == {index: ERRORS.decode(reason) for index, reason in reasons.items()}


def test_each_items_reason_is_decoded() -> None:
    guilty = revert("InvalidIntent()")
    found = workload().failures(partial_failure((2, guilty.data), (4, b"")), 5)
    assert found is not None
    assert (found[2].name, found[4].data) == ("InvalidIntent", b"")


def test_a_revert_that_names_no_item_speaks_of_none() -> None:
    empty_list = partial_failure()
    cut_short = Revert(data=partial_failure((0, b"x" * 64)).data[:-40])
    beyond = partial_failure((5, b""))
    huge = Revert(data=BATCH_PARTIAL_FAILURE + b"\xff" * 64)
    for why in (revert("Unauthorized()"), Revert(data=b""), empty_list, cut_short, beyond, huge):
        assert workload().failures(why, 5) is None


def test_alone_every_revert_is_its_own() -> None:
    for why in (revert("InvalidIntent()"), Revert(data=b"")):
        assert workload(SINGLY).failures(why, 1) == {0: why}


def test_the_questions_are_the_task_managers_views() -> None:
    (hashes, responses) = workload().probe(MADE.operation(RESPOND))
    assert hashes.data[:4] == keccak(text="allTaskHashes(bytes32)")[:4]
    assert responses.data[:4] == keccak(text="allTaskResponses(bytes32)")[:4]


# ---- A failed batch, whatever became of its data on the way


ITEMS = [(1, b"\x07" * 32, revert("InvalidIntent()").data), (2, b"\x08" * 32, b"")]
PARTIAL_FAILURE = BATCH_PARTIAL_FAILURE + encode(["(uint256,bytes32,bytes)[]"], [ITEMS])


def test_a_failed_batch_is_shown_with_every_item_and_its_decoded_reason() -> None:
    read = workload().read_revert(PARTIAL_FAILURE)
    failures = read.args["failures"]
    assert isinstance(failures, list)
    assert [(item["index"], item["error"]) for item in failures] == [
        (1, "InvalidIntent()"),
        (2, "empty revert data"),
    ]


def test_a_failed_batch_within_a_failed_batch_is_decoded_too_but_not_for_ever() -> None:
    data = PARTIAL_FAILURE
    for _ in range(20):
        data = BATCH_PARTIAL_FAILURE + encode(["(uint256,bytes32,bytes)[]"], [[(0, bytes(32), data)]])
    read = workload().read_revert(data)
    assert read.name == "BatchPartialFailure"
    assert len(str(read)) < 2_000
    once = workload().read_revert(
        BATCH_PARTIAL_FAILURE + encode(["(uint256,bytes32,bytes)[]"], [[(0, bytes(32), PARTIAL_FAILURE)]])
    )
    assert "InvalidIntent()" in str(once)
    found = workload().failures(once, 1)
    assert found is not None
    assert workload().judge(MADE.operation(), found[0], ()).verdict is Verdict.RETRY


@given(st.integers(0, len(PARTIAL_FAILURE)))
def test_cut_off_anywhere_it_is_kept_raw_or_read_as_what_is_still_whole(length: int) -> None:
    cut = PARTIAL_FAILURE[:length]
    read = workload().read_revert(cut)
    assert read.data == cut
    found = workload().failures(read, 3)
    assert found is None or set(found) == {1, 2}
    workload().judge(MADE.operation(), read, ())


@given(st.lists(st.integers(0, 2**256 - 1), max_size=12), st.integers(1, 5))
def test_no_words_in_its_place_make_it_raise_or_name_an_item_that_was_not_there(
    given_words: list[int], count: int
) -> None:
    read = workload().read_revert(BATCH_PARTIAL_FAILURE + b"".join(w.to_bytes(32, "big") for w in given_words))
    found = workload().failures(read, count)
    assert found is None or (found and set(found) <= set(range(count)))
    str(read)
