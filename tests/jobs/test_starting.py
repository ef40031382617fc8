"""A request becomes a job, or is refused in words."""

from typing import Any

import pytest

from headrace.core.errors import FixTheRequest
from headrace.core.job import JobStatus
from headrace.core.settlement import AwaitingLock, Free
from headrace.core.terms import DURATION_S_MAX
from headrace.jobs.starting import ResourceWish, make_job, new_id
from jobs.making import EXAMPLE, NOW, PAYER, TIMEOUT_S, TOKEN, new_job, payment, request


def made(**more: Any) -> Any:
    return make_job(request(**more), claim_duration_timeout_s=TIMEOUT_S, now=NOW)


def test_a_paid_job_waits_for_its_lock_and_knows_the_terms_it_was_agreed_on() -> None:
    job = new_job(queue_max_wait_s=10)
    assert (job.status, job.settlement) == (JobStatus.JOB_STARTED, AwaitingLock())
    assert job.terms is not None
    assert (job.terms.token, job.terms.token_decimals, job.terms.minimum_duration_s) == (TOKEN, 6, 60)
    assert job.terms.lock_amount == 9 * 60 * 10**6
    assert job.terms.lock_duration_s == 3600 + 10 + TIMEOUT_S


def test_a_free_job_has_no_terms_and_nothing_to_settle() -> None:
    job = new_job(free=True)
    assert job.is_free
    assert (job.terms, job.settlement) == (None, Free())


def test_the_same_request_has_the_same_content_and_any_other_another() -> None:
    first = new_job().content
    assert made().content == first
    others = [
        {"owner": TOKEN},
        {"environment": "large"},
        {"algorithm": b"print(2)"},
        {"max_duration_s": 3601},
        {"queue_max_wait_s": 1},
        {"metadata": None},
        {"free": True},
        {"payment": payment(token=PAYER[:19] + b"\x09")},
        {"payment": payment(resources=EXAMPLE[:3])},
        {"payment": payment(minimum_duration_s=61)},
    ]
    contents = {made(**other).content for other in others}
    assert len(contents) == len(others)
    assert first not in contents


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": ""}, "id: '' is no name"),
        ({"id": "a b"}, "id: 'a b' is no name"),
        ({"id": "a" * 97}, "id: 'aaa.* is no name"),
        ({"environment": "große"}, "environment: 'große' is no name"),
        ({"metadata": '"' + "x" * 1023 + '"'}, "metadata: 1025 characters; 1024 are possible"),
        ({"metadata": "{"}, "metadata: is no JSON"),
        ({"algorithm": b"x" * (256 * 1024 + 1)}, "algorithm: 262145 bytes"),
        ({"max_duration_s": 0}, "max_duration_s: 0 s"),
        ({"max_duration_s": -1, "free": True}, "max_duration_s: -1 s"),
        ({"max_duration_s": DURATION_S_MAX + 1, "free": True}, "max_duration_s: 2678401 s"),
        ({"queue_max_wait_s": -1}, "queue_max_wait_s: -1 s"),
        ({"payment": payment(minimum_duration_s=-60)}, "minimum_duration_s: -60 s"),
        ({"payment": payment(token_decimals=255)}, "token: 255 decimals"),
        ({"payment": payment(resources=())}, "resources: 0 of them"),
        ({"payment": payment(resources=(ResourceWish(resource="", amount="1"),))}, "resource: '' is no name"),
        (
            {"payment": payment(resources=(ResourceWish(resource="cpu", amount="-1"),))},
            r"resources\.cpu\.amount: '-1' is no decimal number",
        ),
        (
            {"payment": payment(resources=(ResourceWish(resource="cpu", amount="1", price="1e-7"),))},
            r"resources\.cpu\.price: '1e-7' is no decimal number",
        ),
        (
            {"payment": payment(resources=(ResourceWish(resource="cpu", amount="1"),))},
            "start it as a free job",
        ),
    ],
)
def test_a_bad_request_is_refused_with_the_field_and_its_value(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(FixTheRequest, match=said):
        made(**wrong)


def test_metadata_of_exactly_1024_characters_is_taken() -> None:
    assert made(metadata='"' + "ü" * 1022 + '"').metadata is not None


def test_new_ids_are_unlike_each_other_by_noise_alone() -> None:
    ids = {new_id(owner=PAYER, now=NOW, noise=bytes([n]) * 16) for n in range(10)}
    assert len(ids) == 10
    assert all(made(id=id).id == id for id in ids)
    with pytest.raises(AssertionError):
        new_id(owner=PAYER, now=NOW, noise=b"few")
