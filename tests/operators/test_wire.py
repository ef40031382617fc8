"""What goes over the wire between gateway and operator, there and back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.operators.answers import Answer, Failed, Refused, Signed
from headrace.operators.wire import (
    TASKS_PER_REQUEST_MAX,
    Entry,
    EvaluateReply,
    EvaluateRequest,
    from_entry,
    task_id_of,
    to_entry,
)
from operators.builders import make_task

FORMS = {"msgpack": msgspec.msgpack, "json": msgspec.json}
texts = st.text(max_size=1000)
answers = st.one_of(
    st.builds(Signed, response=st.binary(max_size=4096), signature=st.binary(max_size=1024)),
    st.builds(Refused, code=texts, text=texts),
    st.builds(Failed, code=texts, text=texts, retryable=st.booleans()),
)
task_ids = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("form", FORMS)
@given(said=st.lists(st.tuples(task_ids, answers), max_size=8))
def test_answers_come_back_as_they_were_given(form: str, said: list[tuple[bytes, Answer]]) -> None:
    entries: list[Entry] = [to_entry(task_id, answer) for task_id, answer in said]
    reply = FORMS[form].decode(FORMS[form].encode(EvaluateReply(entries)), type=EvaluateReply)
    assert [(entry.task_id, from_entry(entry)) for entry in reply.answers] == said


@pytest.mark.parametrize("form", FORMS)
@given(
    chain=st.integers(1, 2**63 - 1),
    task_manager=st.binary(min_size=20, max_size=20),
    tasks=st.lists(st.binary(max_size=2000), min_size=1, max_size=8),
)
def test_a_request_arrives_as_it_was_sent(form: str, chain: int, task_manager: bytes, tasks: list[bytes]) -> None:
    sent = EvaluateRequest(chain, task_manager, tasks)
    assert FORMS[form].decode(FORMS[form].encode(sent), type=EvaluateRequest) == sent


@given(st.binary(max_size=20_000))
def test_chance_bytes_are_a_message_or_a_named_error(body: bytes) -> None:
    for form in FORMS.values():
        for kind in (EvaluateRequest, EvaluateReply):
            try:
                form.decode(body, type=kind)
            except msgspec.MsgspecError:
                continue


@given(code=st.text(), text=st.text(), retryable=st.booleans())
def test_whatever_an_operator_has_to_say_fits_into_its_entry(code: str, text: str, retryable: bool) -> None:
    for answer in (Refused(code=code * 900, text=text * 900), Failed(code=code, text=text, retryable=retryable)):
        packed = msgspec.msgpack.encode(EvaluateReply([to_entry(bytes(32), answer)]))
        assert msgspec.msgpack.decode(packed, type=EvaluateReply).answers


@given(st.integers(0, 2**256 - 1))
def test_the_id_of_a_task_is_read_from_its_encoding(number: int) -> None:
    assert task_id_of(make_task(number).abi()) == number.to_bytes(32, "big")


def test_a_task_costs_the_wire_its_own_bytes_and_hardly_more() -> None:
    """Bytes of a request by task: its encoding and at most 3 more; of a reply: response, signature, id, and 60."""
    task = make_task().abi()
    many = msgspec.msgpack.encode(EvaluateRequest(1, bytes(20), [task] * TASKS_PER_REQUEST_MAX))
    assert len(many) <= TASKS_PER_REQUEST_MAX * (len(task) + 3) + 100
    entry = to_entry(bytes(32), Signed(response=bytes(256), signature=bytes(96)))
    reply = msgspec.msgpack.encode(EvaluateReply([entry] * TASKS_PER_REQUEST_MAX))
    assert len(reply) <= TASKS_PER_REQUEST_MAX * (256 + 96 + 32 + 60) + 100
