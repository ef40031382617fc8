from headrace.core.words import BlockNumber
from headrace.testing.builders import Builder, fake_task_chain
from headrace.testing.keys import keys_from_mnemonic, keys_from_seed
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, Payload


def test_the_same_seed_builds_the_same_and_another_seed_shares_no_id() -> None:
    one, same, other = Builder(1), Builder(1), Builder(2)
    first = [one.operation() for _ in range(20)]
    assert first == [same.operation() for _ in range(20)]
    others = [other.operation() for _ in range(20)]
    assert not {o.subject for o in first} & {o.subject for o in others}
    assert len({o.id for o in (*first, *others)}) == 40


def test_operations_of_every_kind_are_whole() -> None:
    builder = Builder(3)
    task = builder.task(created_block=5)
    for kind in (CREATE, RESPOND, CREATE_AND_RESPOND):
        operation = builder.operation(kind, id="mine", task=task, after="before", wait_until=9.0)
        assert (operation.id, operation.kind, operation.subject) == ("mine", kind, task.task_id)
        assert (operation.after, operation.wait_until) == ("before", 9.0)
        payload = Payload.unpack(operation.payload)
        assert payload.task_hash() == task.hash()
        assert bool(payload.response) is (kind != CREATE)
    assert builder.operation(task=task).deadline_block == BlockNumber(69)


def test_keys_come_from_their_seed_and_do_not_show() -> None:
    keys = keys_from_seed(1, 3)
    assert keys == keys_from_seed(1, 3)
    assert keys[0] != keys_from_seed(2, 1)[0]
    assert keys[0].secret.hex() not in repr(keys)
    (first,) = keys_from_mnemonic("test test test test test test test test test test test junk", 1)
    assert first.checksum_address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_lanes_of_a_fake_task_chain_have_coin() -> None:
    lanes = [key.address for key in keys_from_seed(1, 2)]
    contracts = fake_task_chain(lanes)
    assert all(contracts.chain.world.balance(lane) > 0 for lane in lanes)
