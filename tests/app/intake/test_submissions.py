"""What the intake bench sends: each a valid operation of its own, with an answer known beforehand."""

import json
from pathlib import Path

import pytest

from api.gateway import CHAIN, open_gateway, post
from headrace.app.intake.submissions import KINDS, OWN_BYTES, Submissions
from headrace.core.words import Address, BlockNumber

CLIENT = Address(b"\x07" * 20)


def submissions(*, kind: str = KINDS[0], run: int = 1, seed: int = 0) -> Submissions:
    return Submissions(
        "http://127.0.0.1:9", chain=CHAIN, client=CLIENT, block=BlockNumber(100), kind=kind, run=run, seed=seed
    )


def body_of(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return body


@pytest.mark.parametrize("kind", KINDS)
async def test_the_gateway_answers_as_foretold_to_each_and_to_many_at_once(tmp_path: Path, kind: str) -> None:
    made = submissions(kind=kind)
    async with open_gateway(tmp_path) as gateway:
        for submission in (made.single(0), made.single(300), made.batch(1, 50)):
            status, _, answered = await post(gateway.app, body_of(submission.request))
            assert (status, answered) == (200, submission.yes)
        assert gateway.stored() == (0, 52)


def test_each_has_an_operation_and_a_task_of_its_own() -> None:
    made = [
        *(submissions(run=1).single(i) for i in range(300)),
        *(submissions(run=2).single(i) for i in range(300)),
    ]
    asked = [json.loads(body_of(one.request))["params"] for one in made]
    assert len({one["operation_id"] for one in asked}) == 600
    assert len({one["payload"]["task"]["task_id"] for one in asked}) == 600


def test_the_same_run_sends_the_same_bytes_again() -> None:
    assert submissions().single(7) == submissions().single(7)
    assert submissions(seed=1).single(7) != submissions().single(7)


def test_what_a_client_adds_is_as_much_as_it_was_told() -> None:
    task = json.loads(body_of(submissions().single(0).request))["params"]["payload"]["task"]
    parts = (
        task["intent"]["data"],
        task["intent"]["function_signature"],
        task["intent_signature"],
        task["wasm_args"],
    )
    assert sum(len(bytes.fromhex(part.removeprefix("0x"))) for part in parts) == OWN_BYTES
