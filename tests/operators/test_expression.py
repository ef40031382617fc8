import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.words import Address, ChainId
from headrace.operators.expression import FIELDS, BadExpression, Expression, NoAnswer
from headrace.operators.view import SAMPLE, view_of
from headrace.workloads.tasks.structs import Intent
from operators.builders import ALLOWED, CLIENT, make_task, with_

ETHER = 10**18


def decide(expression: str, **changes: object) -> bool:
    return Expression(expression).decide(view_of(with_(make_task(), **changes)))


@pytest.mark.parametrize(
    "expression",
    [
        f'intent.to == "0x{ALLOWED.hex()}"',
        f'intent.to in ["0x{ALLOWED.hex()}"]',
        'intent.value == "5" && intent.value_gwei == 1',
        'intent.selector == "0xa9059cbb" && intent.data.startsWith(intent.selector)',
        'intent.chain_id == 31337 && intent.function_signature == "transfer(address,uint256)"',
        "task.created_block == 100 && task.timestamp == 1700000000",
        f'task.policy_client == "0x{CLIENT.hex()}"',
        "args.limit == 3",
        'address_argument(intent.data, 0) == "0x' + "0d" * 20 + '"',
        f'uint_argument(intent.data, 1) == "{2**200}"',
        f'wei_at_most(uint_argument(intent.data, 1), "{2**200}")',
        f'!wei_at_most(uint_argument(intent.data, 1), "{2**200 - 1}")',
        'lower("0xAB") == "0xab"',
        "[1, 2].exists(x, x == 2) && [[1]].all(l, l.all(n, n > 0))",
        'has(args.limit) ? args.limit < 5 : intent.value == "0"',
        'intent.value.matches("^[0-9]+$") // a comment with an unknown.name',
    ],
)
def test_an_expression_sees_the_task(expression: str) -> None:
    assert decide(expression)


@given(value=st.integers(0, 2**256 - 1), limit=st.integers(0, 2**256 - 1))
@settings(max_examples=50, deadline=None)
def test_wei_are_compared_exactly(value: int, limit: int) -> None:
    intent = Intent(from_=ALLOWED, to=ALLOWED, value=value, data=b"", chain=ChainId(1), function_signature=b"")
    assert decide(f'wei_at_most(intent.value, "{limit}")', intent=intent) == (value <= limit)
    assert decide(f'wei_at_least(intent.value, "{limit}")', intent=intent) == (value >= limit)


@pytest.mark.parametrize(("wei", "gwei"), [(0, 0), (1, 1), (10**9, 1), (10**9 + 1, 2), (2**256 - 1, 2**63 - 1)])
def test_gwei_are_rounded_up_and_stop_at_the_largest_number(wei: int, gwei: int) -> None:
    intent = Intent(from_=ALLOWED, to=ALLOWED, value=wei, data=b"", chain=ChainId(1), function_signature=b"")
    assert decide(f"intent.value_gwei == {gwei}", intent=intent)


@pytest.mark.parametrize(
    ("raw", "expression"),
    [
        (b'{"a": {"b": [1, "x"]}}', 'args.a.b[1] == "x"'),
        (b"plain text", 'args == "plain text"'),
        (b"", 'args == ""'),
        (b"\xff\xfe", 'args == b"\\xff\\xfe"'),
        (b'{"amount": 123456789012345678901234567890}', 'args.amount == "123456789012345678901234567890"'),
        (b'{"amount": 123456789012345678901}', 'wei_at_least(args.amount, "123456789012345678901")'),
        (b"[" * 5000, 'args.startsWith("[[")'),  # too deep to be read: it stays text
        (b"[" * 40 + b"]" * 40, 'args.startsWith("[[")'),
        (b"[" * 20 + b"]" * 20, "size(args) == 1"),
        (b"true", "args == true"),
    ],
)
def test_args_are_json_else_text_else_bytes(raw: bytes, expression: str) -> None:
    assert decide(expression, wasm_args=raw)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("args.missing == 1", "no such field: missing"),
        ("args.limit", "the result is int, not true or false"),
        ("args.limit / 0 == 1", "division by zero"),
        ('args.limit < "3"', "No such overload"),
        ("uint_argument(intent.data, 7) == '1'", "no argument 7"),
        ("wei_at_most(args.limit, 'many')", "no whole number"),
        ("wei_at_most(args.limit)", "missing 1 required positional argument"),
    ],
)
def test_an_expression_that_fails_gives_no_answer(expression: str, why: str) -> None:
    with pytest.raises(NoAnswer, match=why):
        decide(expression)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("1 +", "not CEL"),
        ("", "not CEL"),
        ("intent.to == sender", "unknown variable sender"),
        ("true || sender == 1", "unknown variable sender"),
        ('intent.recipient == "x"', r"unknown field intent\.recipient"),
        ("true || task.nonce == 1", r"unknown field task\.nonce"),
        ("now() > 1", "unknown function now"),
        ('intent.value < "5"', "compare it with wei_at_most"),
        ('"5" >= intent . value', "compare it with wei_at_most"),
        ("intent.value_gwei + 1", "gives int, not true or false"),
        ("intent.value_gwei < 1.5 || intent.chain_id < '1'", "fails on an ordinary task: No such overload"),
        ('intent["recipient"] == "x"', "fails on an ordinary task: no such field"),
        ('intent.to.matches("(")', "fails on an ordinary task"),
        ('intent.to == "0xC1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"', "write it in lower case"),
        ("true " * 5000, "longer than"),
    ],
)
def test_a_mistake_is_found_when_the_expression_is_loaded(expression: str, problem: str) -> None:
    with pytest.raises(BadExpression, match=problem):
        Expression(expression)


def test_all_mistakes_of_an_expression_are_named_at_once() -> None:
    with pytest.raises(BadExpression) as refused:
        Expression('sender == 1 && intent.recipient == "x" && now() > 1 && intent.value < "5"')
    assert len(refused.value.problems) == 4


def test_names_in_texts_and_comments_are_no_mistakes() -> None:
    Expression("intent.data != 'intent.recipient < now()' // task.nonce, intent.value < 5")


def test_the_sample_has_every_field_that_a_task_has() -> None:
    view = view_of(make_task())
    assert view.keys() == SAMPLE.keys()
    for owner, fields in FIELDS.items():
        assert view[owner].keys() == SAMPLE[owner].keys() == fields
        assert [type(view[owner][field]) for field in fields] == [type(SAMPLE[owner][field]) for field in fields]


@given(
    signature=st.binary(max_size=64),
    args=st.binary(max_size=64),
    data=st.binary(max_size=80),
    value=st.integers(0, 2**256 - 1),
    chain=st.integers(0, 2**256 - 1),
    timestamp=st.integers(0, 2**256 - 1),
)
@settings(max_examples=100, deadline=None)
def test_whatever_a_client_sends_an_expression_answers(
    signature: bytes, args: bytes, data: bytes, value: int, chain: int, timestamp: int
) -> None:
    intent = Intent(
        from_=Address(bytes(20)),
        to=ALLOWED,
        value=value,
        data=data,
        chain=ChainId(chain),
        function_signature=signature,
    )
    task = with_(make_task(), intent=intent, wasm_args=args, timestamp=timestamp)
    assert Expression("size(intent.data) >= 2 && intent.chain_id >= 0 && task.timestamp >= 0").decide(
        view_of(task)
    )


@pytest.mark.parametrize(
    "text",
    [
        "intent.chain_id == 31337",
        "size(intent) == 8 && intent.chain_id == 31337",
        'intent["chain_id"] == 31337 && has(intent.to) && task.created_block == 100',
        "[intent].all(x, x.chain_id == 31337)",
        "args.limit == 3 && [1].exists(task, task == 1)",
        "task == task && size(task) == 3",
        "true",
    ],
)
def test_what_an_expression_does_not_name_it_does_not_need(text: str) -> None:
    """Only what it names is handed to it; that must never be less than what it looks at."""
    assert Expression(text).decide(view_of(make_task())) is True
