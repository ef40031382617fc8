import json

import pytest

from headrace.app.load.journal import Accepted, Refused
from headrace.app.load.replies import AskAgain, Method, read_reply

ID = "0x" + "ab" * 32


def body(**reply: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": "1", **reply}).encode()


def created(**changes: object) -> bytes:
    return body(result={"task_id": ID, "status": "success", "signature_data": "0x11", "more": [1], **changes})


def test_a_certificate_is_acceptance() -> None:
    assert read_reply(Method.CREATE_TASK, 200, created()) == Accepted(b"\xab" * 32, certified=True)


def test_a_created_task_without_certificate_is_not_accepted() -> None:
    for changes in ({"signature_data": ""}, {"signature_data": None}, {"signature_data": "0x"}):
        assert isinstance(read_reply(Method.CREATE_TASK, 200, created(**changes)), Refused)
    assert read_reply(Method.CREATE_TASK, 200, created(status="timeout", error="no quorum")) == Refused(
        None, "status 'timeout': no quorum"
    )


def test_a_sent_task_is_accepted_by_its_id_alone() -> None:
    reply = body(result={"task_id": ID, "subscription_topic": "newton.task", "message": "", "timestamp": 1})
    assert read_reply(Method.SEND_TASK, 200, reply) == Accepted(b"\xab" * 32, certified=False)


@pytest.mark.parametrize("task_id", [None, "", "0x12", "zz" * 32])
def test_a_task_id_that_is_none_is_not_accepted(task_id: str | None) -> None:
    assert isinstance(read_reply(Method.CREATE_TASK, 200, created(task_id=task_id)), Refused)


@pytest.mark.parametrize("code", [-32602, -32615, -32616, -32009, -32010, -32603])
def test_an_error_is_conclusive(code: int) -> None:
    reply = body(error={"code": code, "message": "because", "data": {"field": "x"}})
    assert read_reply(Method.CREATE_TASK, 200, reply) == Refused(code, "because")
    assert read_reply(Method.CREATE_TASK, 400, reply) == Refused(code, "because")


def test_try_later_is_asked_again_after_the_pause_that_the_gateway_named() -> None:
    named = body(error={"code": -32005, "message": "intake is full", "data": {"retry_after_s": 0.25}})
    assert read_reply(Method.CREATE_TASK, 200, named) == AskAgain("intake is full", 0.25)
    for data in (None, "soon", {}):
        plain = body(error={"code": -32005, "message": "full", "data": data})
        assert read_reply(Method.CREATE_TASK, 200, plain) == AskAgain("full", None)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b"oops"),
        (502, b"<html>"),
        (503, body(error={"code": -32603, "message": "x"})),
        (429, b"slow down"),
        (200, b""),
        (200, b"[]"),
        (200, body()),
    ],
)
def test_what_leaves_doubt_is_asked_again(status: int, content: bytes) -> None:
    assert isinstance(read_reply(Method.CREATE_TASK, status, content), AskAgain)


def test_a_plain_http_refusal_is_conclusive_and_named_by_its_status() -> None:
    assert read_reply(Method.CREATE_TASK, 401, b"who are you") == Refused(401, "who are you")
