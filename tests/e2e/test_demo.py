"""The whole, as a user runs it: processes, HTTP, signatures, a chain, a store."""

from e2e.playing import chain_of, until_settled
from headrace.app.cli.demo import _problems
from headrace.app.demo.run import offer
from headrace.app.inspecting import as_text, stories_of
from headrace.store import open_reader


async def test_every_task_lands_and_the_report_agrees_with_the_chain(play):
    async with play.stage() as stage:
        report = await offer(stage, play.demo)
        chain = await chain_of(stage)

    assert _problems(report) == []
    assert report["offered"] == 120
    assert report["accepted"] + report["refused"] == 120
    assert report["refused"] > 0, "the policy of small-transfers refuses some"
    done = [t for t in chain.tasks.values() if t.responded]
    assert len(done) == report["accepted"] == report["outcomes"]["on_time"]
    assert all(t.creations == t.responses == 1 for t in done)
    carrying = [t for t in chain.transactions.values() if t.tasks]
    assert report["transactions"] == len(carrying)
    assert report["gas_total"] == sum(t.gas_used for t in carrying)
    assert len(carrying) < report["accepted"] / 4, "they travel together"


async def test_poison_is_cut_out_named_and_hurts_nobody_else(play):
    play = play.but(poison_percent=10.0)
    async with play.stage() as stage:
        report = await offer(stage, play.demo)
        chain = await chain_of(stage)
        counts = await until_settled(stage)
        async with open_reader(stage.scene.store) as reader:
            page, _ = await reader.list_accounts(limit=500)
            rejected = [a for a in page if a.outcome is not None and a.outcome.value == "rejected"]
            (story, *_) = await stories_of(rejected[0].operation.id, reader)

    assert _problems(report) == []
    assert report["poisoned"]["accepted"] == len(rejected) == counts["rejected"] > 0
    assert {a.revert.name for a in rejected} == {"InterfaceNotSupported"}
    assert report["rejected_by"] == {"rejected: InterfaceNotSupported": len(rejected)}
    assert not any(t.failures for t in chain.tasks.values()), "no poison reached the chain"
    assert "InterfaceNotSupported" in as_text(story)


async def test_recorded_separately_no_response_comes_before_its_task(play):
    play = play.but(recording="separate")
    async with play.stage() as stage:
        report = await offer(stage, play.demo)
        chain = await chain_of(stage)

    assert _problems(report) == []
    for task in chain.tasks.values():
        assert task.created is not None and task.responded is not None
        assert task.created.block_number < task.responded.block_number


async def test_the_old_way_needs_no_batch_contract_and_collapses(play):
    play = play.but(submitter="sequential", recording="separate")
    async with play.stage() as stage:
        report = await offer(stage, play.demo)

    assert _problems(report) != []
    assert report["operations_per_transaction"]["max"] == 1
    assert report["outcomes"]["on_time"] + report["outcomes"]["late"] < report["accepted"]
    assert report["chain"]["done_twice"] == 0
