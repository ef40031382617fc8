from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from headrace.operators.policies import BadPolicies, load_policies, policy_id
from operators.builders import ALLOWED, CLIENT

GOOD = 'client = "0x{client}"\nname = "{name}"\nexpression = """{expression}"""\nexpire_after_blocks = 50\n'


def write(folder: Path, file: str, *, client: bytes = CLIENT, name: str = "one", expression: str = "true") -> None:
    (folder / file).write_text(GOOD.format(client=client.hex(), name=name, expression=expression))


def problems_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(BadPolicies) as refused:
        load_policies(folder)
    return refused.value.problems


def test_policies_are_found_by_their_client(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", expression='intent.value == "0"')
    write(tmp_path, "b.toml", client=ALLOWED, name="two")
    (tmp_path / "README").write_text("not a policy")
    policies = load_policies(tmp_path)
    assert policies.clients == {CLIENT, ALLOWED}
    policy = policies.of(CLIENT)
    assert policy is not None
    assert policy.policy_id == keccak(text='intent.value == "0"') == policy_id('intent.value == "0"')
    assert (policy.name, policy.expire_after_blocks) == ("one", 50)
    assert policies.of(type(CLIENT)(bytes(20))) is None


def test_all_problems_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'client = "0x12"\nname = ""\nexpression = "sender"\nexpire_after_blocks = 0\n'
    )
    (tmp_path / "b.toml").write_text("client = \n")
    (tmp_path / "c.toml").write_text('colour = "red"\n')
    write(tmp_path, "d.toml")
    write(tmp_path, "e.toml", client=bytes.fromhex(CLIENT.hex()))
    problems = problems_of(tmp_path)
    for expected in (
        "a.toml: client: '0x12' is no address",
        "a.toml: name: '' is no name",
        "a.toml: expression: unknown variable sender",
        "a.toml: expire_after_blocks: 0 is no number of blocks",
        "b.toml: not TOML",
        "c.toml: colour: unknown field",
        "c.toml: client: missing",
        "c.toml: expire_after_blocks: missing",
        f"e.toml: client: 0x{CLIENT.hex()} has a policy already, in d.toml",
    ):
        assert any(problem.startswith(expected) for problem in problems), (expected, problems)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("client = 5", "client: 5 is no address"),
        (f'client = "0x{"00" * 20}"', "client: the zero address"),
        ("name = 5", "name: 5 is no name"),
        ("expression = 5", "expression: 5 is no text"),
        ("expire_after_blocks = true", "expire_after_blocks: True is no number"),
        ("expire_after_blocks = 1000001", "expire_after_blocks: 1000001 is no number"),
        ('expire_after_blocks = "5"', "expire_after_blocks: '5' is no number"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(tmp_path: Path, line: str, problem: str) -> None:
    key = line.partition(" ")[0]
    write(tmp_path, "a.toml")
    lines = [x for x in (tmp_path / "a.toml").read_text().splitlines() if not x.startswith(key)]
    (tmp_path / "a.toml").write_text("\n".join([*lines, line]))
    assert any(found.startswith(f"a.toml: {problem}") for found in problems_of(tmp_path))


def test_an_empty_or_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert "has no .toml file" in problems_of(tmp_path)[0]
    assert "cannot be read" in problems_of(tmp_path / "nowhere")[0]
    (tmp_path / "large.toml").write_text("#" * 70_000)
    assert "larger than" in problems_of(tmp_path)[0]
    (tmp_path / "large.toml").write_bytes(b"\xff\xfe")
    assert "not TOML" in problems_of(tmp_path)[0]
