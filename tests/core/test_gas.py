from hypothesis import given
from hypothesis import strategies as st

from core.making import gas
from headrace.core.gas import FLOOR_GAS_PER_BYTE, GAS_PER_BYTE, SAMPLES_KEPT, Company, GasBook
from headrace.core.ports import GasGuess, InCommon
from headrace.workloads.tasks.workload import TaskContracts, Tasks


def test_until_something_is_learned_the_workload_guesses() -> None:
    assert gas(per_transaction=50_000, per_item=10_000).of_batch([100, 200]) == 70_000 + 300 * GAS_PER_BYTE


def test_the_tail_leaves_the_last_item_its_whole_allowance() -> None:
    limit = gas(per_transaction=0, per_item=0, tail=450_000).of_batch([0])
    assert limit * 63 // 64 >= 450_000 - 1
    assert (limit + 1) * 63 // 64 >= 450_000


@given(st.integers(1, 100), st.integers(0, 500_000), st.integers(0, 2_000))
def test_the_next_batch_like_the_last_gets_what_that_used_and_a_margin(count: int, item: int, size: int) -> None:
    book = gas()
    sizes = [size] * count
    used = 50_000 + count * max(item + size * GAS_PER_BYTE, size * FLOOR_GAS_PER_BYTE)
    book.learn(gas_used=used, sizes=sizes)
    assert used <= book.of_batch(sizes) <= used * 106 // 100


def test_the_dearest_of_the_recent_batches_counts() -> None:
    book = gas()
    for item in (10_000, 30_000, 20_000):
        book.learn(gas_used=50_000 + 2 * item, sizes=[0, 0])
    assert book.per_item == 30_000 * 106 // 100


def test_a_dear_batch_is_forgotten_after_many_cheap_ones() -> None:
    book = gas()
    book.learn(gas_used=50_000 + 90_000, sizes=[0])
    for _ in range(SAMPLES_KEPT):
        book.learn(gas_used=50_000 + 10_000, sizes=[0])
    assert book.per_item == 10_600


def test_a_batch_that_used_less_than_its_bytes_teaches_nothing_negative() -> None:
    book = gas()
    book.learn(gas_used=21_000, sizes=[10_000])
    assert book.per_item == 0


def test_after_a_batch_ran_dry_the_next_one_gets_a_quarter_more_at_once() -> None:
    book = gas(per_item=100_000)
    book.starved(gas_limit=book.of_batch([0, 0]), sizes=[0, 0])
    assert book.per_item >= 125_000


def test_many_batches_in_flight_that_run_dry_at_once_raise_the_estimate_once() -> None:
    book = gas(per_item=100_000)
    limit = book.of_batch([0, 0])
    book.starved(gas_limit=limit, sizes=[0, 0])
    raised = book.per_item
    for _ in range(20):
        book.starved(gas_limit=limit, sizes=[0, 0])
    assert book.per_item == raised
    book.starved(gas_limit=book.of_batch([0]), sizes=[0])
    assert book.per_item > raised, "the raised one was too little as well"


def test_a_book_that_learned_that_items_cost_nothing_recovers_from_it() -> None:
    book = gas(per_item=100_000)
    book.learn(gas_used=21_000, sizes=[10_000])
    assert book.per_item == 0
    book.starved(gas_limit=book.of_batch([0]), sizes=[0])
    assert book.per_item >= 125_000


def test_forms_of_a_workload_learn_apart() -> None:
    tasks = Tasks(
        TaskContracts(task_manager=bytes(20), batch=bytes(20), item_gas=450_000),  # type: ignore[arg-type]
        read_revert=lambda data: None,  # type: ignore[arg-type,return-value]
    )
    book = GasBook()
    book.of(tasks, "create").learn(gas_used=10**6, sizes=[0])
    guess: GasGuess = tasks.gas_guess("respond")
    assert book.of(tasks, "respond").per_item == guess.per_item
    assert book.of(tasks, "create").per_item != tasks.gas_guess("create").per_item
    assert book.of(tasks, "create") is book.of(tasks, "create")


def test_where_little_is_known_of_what_comes_once_few_items_teach_too_much_rather_than_too_little() -> None:
    book = gas(per_transaction=200_000, per_item=60_000, per_transaction_least=21_000)
    book.learn(gas_used=100_000, sizes=[0])
    assert book.per_item == 79_000 * 106 // 100
    assert book.of_batch([0] * 10) >= 200_000 + 10 * 79_000


def test_what_came_back_had_to_be_there_until_the_end() -> None:
    book = gas(per_transaction=20_000, per_item=60_000, refunds=True)
    book.learn(gas_used=80_000 * 10, sizes=[0] * 10)
    assert book.of_batch([0] * 10) >= 80_000 * 10 * 5 // 4


def test_what_was_measured_for_the_next_operations_counts_instead_of_what_was_learned() -> None:
    book = gas(per_transaction=20_000, per_item=60_000)
    book.learn(gas_used=20_000 + 90_000, sizes=[0])
    book.measured(gas_needed=20_000 + 10 * 30_000, sizes=[0] * 10)
    assert book.per_item == 30_000 * 106 // 100
    book.starved(gas_limit=20_000 + 10 * 31_800, sizes=[0] * 10)
    assert book.per_item >= 60_000, "and is given up at once where it was too little"


def test_whatever_was_learned_an_item_is_given_what_the_workload_says_is_the_least() -> None:
    book = gas(per_item=98_000, per_item_least=91_000)
    book.learn(gas_used=50_000 + 30_000, sizes=[0])
    assert book.per_item == 91_000
    book.learn(gas_used=50_000 + 100_000, sizes=[0])
    assert book.per_item == 106_000


def test_a_batch_is_given_the_floor_of_its_calldata_where_that_is_more_than_its_work() -> None:
    book = gas(per_transaction=21_000, per_item=40_000)
    assert book.of_batch([20_000]) == 21_000 + 20_000 * FLOOR_GAS_PER_BYTE


def test_what_a_batch_shares_costs_once_and_the_first_brings_it_for_nothing() -> None:
    everybody, one_absent = InCommon(b"0", 95_000), InCommon(b"1", 95_000)
    at = [InCommon(bytes([block]), 22_000) for block in (8, 9)]
    company = Company.of([(everybody, at[0]), (everybody, at[0]), (everybody, at[1]), (one_absent, at[1])])
    assert company.further == 22_000 + 95_000
    assert company.brings((one_absent, at[0])) == 0
    assert Company.of([(everybody, at[0])]).further == Company.of([]).further == 0
    assert Company.of([(), (everybody,)]).further == 95_000


def test_what_a_batch_shared_is_not_learned_as_its_items() -> None:
    book = gas()
    book.learn(gas_used=50_000 + 10 * 40_000 + 300_000, sizes=[0] * 10, further=300_000)
    assert book.per_item == 40_000 * 106 // 100
    assert book.of_batch([0] * 10, further=95_000) == book.of_batch([0] * 10) + 95_000
    book.starved(gas_limit=book.of_batch([0], further=95_000), sizes=[0], further=95_000)
    assert book.per_item == 42_400 * 125 // 100 * 106 // 100
