"""Jobs over REST, against the real application and store."""

import pytest

from api.rest.house import ALL_STATUSES, FREE, GOOD, NOW, OWNER, PAYEE, PAYER, TOKEN, House, hexed, payment, wish
from headrace.core.job import JobStatus
from headrace.core.terms import JobId, number_on_chain


async def test_a_paid_job_is_started_with_the_terms_that_the_service_says(house: House) -> None:
    reply = await house.ask("POST", "/v1/jobs", wish("a"))
    assert (reply.status, reply.headers["location"]) == (201, "/v1/jobs/a")
    job = reply.json
    assert (job["id"], job["owner"], job["environment"]) == ("a", hexed(OWNER), "small")
    assert (job["status"], job["status_text"]) == (0, "Job started")
    assert (job["settlement"], job["free"]) == ("awaiting_lock", False)
    assert (job["metadata"], job["algorithm"]) == ({"of": "me"}, {"command": ["true"]})
    terms = job["terms"]
    assert (terms["payer"], terms["payee"], terms["token"]) == (hexed(PAYER), hexed(PAYEE), hexed(TOKEN))
    assert terms["lock_amount"] == {"units": "135000000", "tokens": "135"}
    assert terms["number_on_chain"] == f"0x{number_on_chain(JobId('a')):064x}"
    assert terms["resources"] == [
        {"resource": "cpu", "amount": "2", "price": "1"},
        {"resource": "ram", "amount": "0.5", "price": "0.5"},
    ]
    assert await house.get("/v1/jobs/a") == job


async def test_a_free_job_has_no_terms_and_needs_no_settlement(house: House) -> None:
    job = await house.start("f", payment=...)
    assert (job["free"], job["terms"], job["settlement"]) == (True, None, "free")
    assert (await house.report("f", *FREE))["status"] == 70


async def test_the_owner_pays_where_no_payer_is_named(house: House) -> None:
    job = await house.start("a", payment=payment(payer=...))
    assert job["terms"]["payer"] == hexed(OWNER)


async def test_the_same_request_twice_is_one_job_and_spaces_and_order_do_not_count(house: House) -> None:
    first = await house.start("a", metadata={"x": 1, "y": [2]})
    before = house.stored()
    text = """{ "payment": {"resources": {"ram": "0.5", "cpu": "2"}, "payer": "PAYER", "token": "TOKEN",
        "chain_id": 31337}, "max_duration_s": 3600, "metadata": {"y": [2], "x": 1}, "algorithm": {"command":
        ["true"]}, "environment": "small", "owner": "OWNER", "id": "a" }"""
    for name, value in (("PAYER", PAYER), ("TOKEN", TOKEN), ("OWNER", OWNER)):
        text = text.replace(name, hexed(value))
    again = await house.ask("POST", "/v1/jobs", raw=text.encode())
    assert (again.status, again.json) == (201, first)
    assert house.stored() == before


async def test_an_id_is_made_for_a_request_that_names_none(house: House) -> None:
    one = (await house.ask("POST", "/v1/jobs", wish(...))).json
    other = (await house.ask("POST", "/v1/jobs", wish(...))).json
    assert one["id"] != other["id"]
    assert (await house.get(f"/v1/jobs/{one['id']}"))["id"] == one["id"]


async def test_a_compute_engine_reports_a_whole_run(house: House) -> None:
    await house.started_and_locked("a")
    job = await house.report("a", *GOOD)
    assert (job["status"], job["status_text"], job["settlement"]) == (71, "Job settling", "due")
    assert job["run"] == {
        "build_started_at": None,
        "build_ended_at": None,
        "started_at": NOW + 180,
        "seen_running_at": NOW + 180,
        "stopped_at": NOW + 240,
    }
    assert job["result"] == {
        "status": 71,
        "status_text": "Job settling",
        "finished": True,
        "at": NOW + 300,
        "detail": "",
        "exit_code": 0,
        "out_of_memory": False,
    }


async def test_an_event_that_comes_twice_is_one(house: House) -> None:
    await house.start("f", payment=...)
    event = {"status": 10, "at": NOW}
    first = await house.ask("POST", "/v1/jobs/f/events", event)
    before = house.stored()
    again = await house.ask("POST", "/v1/jobs/f/events", event)
    assert (again.status, again.json) == (200, first.json)
    assert house.stored() == before


async def test_before_its_lock_a_paid_job_may_not_begin_and_is_told_when_to_ask_again(house: House) -> None:
    await house.start("a")
    before = house.stored()
    reply = await house.ask("POST", "/v1/jobs/a/events", {"status": 10, "at": NOW})
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["type"] == "/docs#try-later" and reply.json["retry_after_s"] == 2.0
    assert "may not begin before its lock is on chain" in reply.json["detail"]
    assert house.stored() == before


async def test_a_stop_is_noted_once_and_the_engine_reads_it_in_every_answer(house: House) -> None:
    await house.start("f", payment=...)
    first = await house.ask("POST", "/v1/jobs/f/stop")
    assert (first.status, first.json["stop"]) == (202, "asked_now")
    assert first.json["job"]["stop_requested_at"] == NOW
    again = await house.ask("POST", "/v1/jobs/f/stop", {})
    assert (again.status, again.json["stop"]) == (202, "asked_before")
    assert (await house.report("f", 10))["stop_requested_at"] == NOW
    await house.report("f", 20, 30, 40, 60, 70)
    assert (await house.ask("POST", "/v1/jobs/f/stop")).json["stop"] == "over"


# ---- Lists


async def some_jobs(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.start(name, payment=...)
        house.clock.advance(10)
    await house.start("p", owner=hexed(PAYER))
    await house.report("b", 10)


def ids(page: object) -> list[str]:
    assert isinstance(page, dict)
    return [job["id"] for job in page["jobs"]]


async def test_jobs_are_listed_newest_first_without_their_algorithms(house: House) -> None:
    await some_jobs(house)
    page = await house.get("/v1/jobs")
    assert ids(page) == ["p", "c", "b", "a"] and page["cursor"] is None
    assert all("algorithm" not in job for job in page["jobs"])


async def test_status_0_can_be_asked_for_like_any_other(house: House) -> None:
    await some_jobs(house)
    assert ids(await house.get("/v1/jobs", status=0)) == ["p", "c", "a"]
    assert ids(await house.get("/v1/jobs", status=10)) == ["b"]
    assert ids(await house.get("/v1/jobs", status="0,10")) == ["p", "c", "b", "a"]
    both = await house.ask("GET", "/v1/jobs", query=[("status", 0), ("status", 10), ("owner", hexed(OWNER))])
    assert ids(both.json) == ["c", "b", "a"]
    assert ids(await house.get("/v1/jobs", status=71)) == []


@pytest.mark.parametrize("status", ALL_STATUSES)
async def test_every_status_there_is_can_be_asked_for(house: House, status: int) -> None:
    assert ids(await house.get("/v1/jobs", status=status)) == []


async def test_filters_by_environment_owner_and_time_narrow_together(house: House) -> None:
    await some_jobs(house)
    assert ids(await house.get("/v1/jobs", environment="small,large", owner=hexed(OWNER))) == ["c", "b", "a"]
    assert ids(await house.get("/v1/jobs", environment="large")) == []
    assert ids(await house.get("/v1/jobs", **{"from": NOW + 10})) == ["p", "c", "b"]
    assert ids(await house.get("/v1/jobs", **{"from": NOW + 10.5, "owner": hexed(PAYER)})) == ["p"]


async def test_pages_follow_each_other_without_a_gap(house: House) -> None:
    await some_jobs(house)
    seen, cursor = [], None
    while True:
        page = await house.get("/v1/jobs", limit=1, **({} if cursor is None else {"cursor": cursor}))
        seen += ids(page)
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ["p", "c", "b", "a"]


async def test_texts_of_statuses_are_the_public_ones(house: House) -> None:
    await house.start("f", payment=...)
    job = await house.report("f", 10, 20, 30, 40)
    assert job["status_text"] == "Running algorithm " == JobStatus.RUNNING_ALGORITHM.text
