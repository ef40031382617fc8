import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.load.made_up import entry
from headrace.app.load.journal import Accepted, Answer, Entry, Journal, Refused, Unanswered, as_json, from_json
from headrace.app.load.task_source import Kind

ANSWERS: st.SearchStrategy[Answer] = st.one_of(
    st.builds(Accepted, st.binary(min_size=32, max_size=32), st.booleans()),
    st.builds(Refused, st.none() | st.integers(-(2**31), 2**31), st.text()),
    st.builds(Unanswered, st.text()),
)
SECONDS = st.integers(0, 10**12).map(lambda microseconds: microseconds / 10**6)


@pytest.mark.parametrize("durable", [False, True])
def test_an_entry_is_on_disk_as_soon_as_it_is_closed(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, durable=durable) as journal:
        for number, answer in ((1, None), (2, Refused(-32615, "no"))):
            journal.offer(0.0)
            journal.close_entry(entry(number, answer=answer))
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            assert [line["operation_id"] for line in lines] == [f"op-{n}" for n in range(1, number + 1)]
    assert [line["answer"] for line in lines] == ["accepted", "refused"]


@given(
    st.builds(
        Entry,
        operation_id=st.text(),
        kind=st.sampled_from(Kind),
        policy_client=st.binary(min_size=20, max_size=20),
        scheduled_at_s=SECONDS,
        sent_at_s=SECONDS,
        answered_at_s=st.none() | SECONDS,
        attempts=st.integers(1, 1_000),
        answer=ANSWERS,
    )
)
def test_a_line_read_back_is_the_entry_that_was_written(one: Entry) -> None:
    assert from_json(json.loads(json.dumps(as_json(one)))) == one


def test_a_line_with_an_unknown_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="'perhaps' is no answer"):
        from_json({**as_json(entry(1)), "answer": "perhaps"})
