"""Deploying our contracts on a real chain, and the file that remembers them."""

import json
import os
from pathlib import Path

import pytest

from chain.conftest import CHAIN, REVERTS_WITH_BLOCK, RealClock
from headrace.chain import deployments
from headrace.chain.abi import Abi
from headrace.chain.artifacts import Artifact, load
from headrace.chain.deploying import Deployer, contract_address
from headrace.chain.deployments import Deployed, Deployment
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import address_text, keccak
from headrace.chain.limits import Limits
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.errors import ContractRefused, NeedsOperator
from headrace.core.ports import Returned
from headrace.core.words import Address, BlockNumber, ChainId, Fees, Nonce, TxHash
from headrace.testing.clock import HandClock

# Init code of a contract whose code is one byte, 0x00; the second one's constructor reverts with 0x2a.
ONE_BYTE = Artifact("OneByte", Abi([], name="OneByte"), bytes.fromhex("60015ff3"))
REVERTS = Artifact("Reverts", Abi([], name="Reverts"), bytes.fromhex("602a60005260206000fd"))
EMPTY = Artifact("Empty", Abi([], name="Empty"), bytes.fromhex("00"))


@pytest.fixture
def deployer(node: RpcNode, signer: LocalSigner) -> Deployer:
    return Deployer(node, signer, chain=CHAIN, clock=RealClock(), poll_every_s=0.01)


async def test_contracts_are_deployed_in_order_and_set_up(
    deployer: Deployer, node: RpcNode, signer: LocalSigner
) -> None:
    registry = load("OperatorRegistry")
    deployed = await deployer.deploy(registry, *([signer.address] * len(registry.abi.constructor)))
    assert deployed.address == contract_address(signer.address, Nonce(0))
    assert deployed.code_hash == keccak(await node.code(deployed.address))

    add = registry.abi.function("addTaskGenerator")
    asked = registry.abi.function("isTaskGenerator")
    generator = Address(b"\x77" * 20)
    receipt = await deployer.transact(
        deployed.address, add.encode(generator), "add the task generator", abi=registry.abi
    )
    assert receipt.ok
    answer = await node.call(to=deployed.address, data=asked.encode(generator))
    assert isinstance(answer, Returned)
    assert asked.decode_output(answer.data) == (True,)


async def test_a_set_up_call_that_reverts_is_named_with_its_decoded_revert(
    deployer: Deployer, node: RpcNode, endpoints: Endpoints
) -> None:
    registry = load("OperatorRegistry")
    owner = Address(b"\x55" * 20)
    deployed = await deployer.deploy(registry, *([owner] * len(registry.abi.constructor)))
    with pytest.raises(ContractRefused, match="add the generator: Unauthorized") as refused:
        await deployer.transact(
            deployed.address,
            registry.abi.function("addTaskGenerator").encode(owner),
            "add the generator",
            abi=registry.abi,
        )
    assert refused.value.data["name"] == "Unauthorized"
    assert refused.value.data["selector"] == "0x82b42900"


async def test_a_constructor_that_reverts_names_its_contract(deployer: Deployer) -> None:
    with pytest.raises(ContractRefused, match="deploy Reverts: unknown revert 0x00"):
        await deployer.deploy(REVERTS)
    with pytest.raises(ContractRefused, match="a plain call: unknown revert"):
        await deployer.transact(REVERTS_WITH_BLOCK, b"", "a plain call")


async def test_a_contract_without_code_is_not_taken_for_deployed(deployer: Deployer) -> None:
    with pytest.raises(NeedsOperator, match=r"deploy Empty: mined .* but there is no code"):
        await deployer.deploy(EMPTY)


async def test_more_gas_than_a_transaction_may_have_is_refused_before_sending(
    node: RpcNode, signer: LocalSigner
) -> None:
    tiny = Limits(
        fork="tiny",
        transaction_gas_max=53_010,
        regular_gas_max=53_010,
        floor_zero_byte_gas=10,
        floor_nonzero_byte_gas=40,
    )
    deployer = Deployer(node, signer, chain=CHAIN, clock=RealClock(), limits=tiny)
    with pytest.raises(NeedsOperator, match=r"deploy OneByte: needs \d+ gas, .* may have 53010 \(tiny\)"):
        await deployer.deploy(ONE_BYTE)
    assert await node.nonces(signer.address) == (0, 0)


async def test_an_empty_account_is_named(node: RpcNode) -> None:
    poor = LocalSigner(os.urandom(31) + b"\x01")
    with pytest.raises(NeedsOperator, match=f"{address_text(poor.address)} is short of coin"):
        await Deployer(node, poor, chain=CHAIN, clock=RealClock()).deploy(ONE_BYTE)


async def test_gas_above_the_ceiling_is_not_paid(node: RpcNode, signer: LocalSigner) -> None:
    deployer = Deployer(node, signer, chain=CHAIN, clock=RealClock(), fee_ceiling_wei=1)
    with pytest.raises(NeedsOperator, match="the ceiling is 1: deploy later"):
        await deployer.deploy(ONE_BYTE)


async def test_an_account_with_pending_transactions_is_left_alone(
    held: Endpoints, node: RpcNode, signer: LocalSigner
) -> None:
    fees = Fees(max_fee_wei=10 * 10**9, tip_wei=10**9)
    await node.send(signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=fees).raw)
    with pytest.raises(NeedsOperator, match="has 1 transactions pending"):
        await Deployer(node, signer, chain=CHAIN, clock=RealClock()).deploy(ONE_BYTE)


async def test_what_is_not_mined_in_time_is_named_with_its_hash(
    held: Endpoints, node: RpcNode, signer: LocalSigner
) -> None:
    class Hurried(HandClock):
        async def sleep(self, seconds: float) -> None:
            self.advance(seconds)

    deployer = Deployer(node, signer, chain=CHAIN, clock=Hurried(), mined_within_s=12, poll_every_s=3)
    with pytest.raises(NeedsOperator, match=r"deploy OneByte: not mined in 12 s; it may still be\. Look for 0x"):
        await deployer.deploy(ONE_BYTE)


async def test_a_call_that_fails_only_when_it_is_mined_is_explained(
    held: Endpoints, node: RpcNode, signer: LocalSigner
) -> None:
    """What estimated well may fail a block later: here its target changes in between."""
    target = Address(os.urandom(20))
    calls_change = _ChangesBeforeMining(held, target)
    deployer = Deployer(node, signer, chain=CHAIN, clock=calls_change, poll_every_s=0.01)
    with pytest.raises(ContractRefused, match=r"poke: .*gas used|poke: unknown revert"):
        await deployer.transact(target, b"\x01", "poke")


class _ChangesBeforeMining(RealClock):
    def __init__(self, endpoints: Endpoints, target: Address) -> None:
        self._endpoints = endpoints
        self._target = target

    async def sleep(self, seconds: float) -> None:
        await self._endpoints.ask("anvil_setCode", "0x" + self._target.hex(), "0x602a60005260206000fd")
        await self._endpoints.ask("anvil_mine", "0x1")
        await super().sleep(seconds)


# ---- The file


CONTRACT = Deployed(
    address=Address(b"\x0a" * 20), block=BlockNumber(7), transaction=TxHash(b"\x0b" * 32), code_hash=b"\x0c" * 32
)


def test_the_file_is_that_of_the_surface_and_reads_back(tmp_path: Path) -> None:
    deployment = Deployment(chain=ChainId(31337), env="demo", contracts={"TaskManager": CONTRACT})
    path = deployments.path_of(tmp_path / "deployments", chain=ChainId(31337), env="demo")
    assert path.name == "31337-demo.json"
    deployments.write(path, deployment)
    deployments.write(path, deployment)  # again: replaced
    assert json.loads(path.read_text()) == {
        "chainId": 31337,
        "env": "demo",
        "contracts": {
            "TaskManager": {
                "address": address_text(CONTRACT.address),
                "block": 7,
                "transaction": "0x" + "0b" * 32,
                "codeHash": "0x" + "0c" * 32,
            }
        },
    }
    assert deployments.read(path) == deployment
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(NeedsOperator, match=r"Gone is not deployed .* there are: TaskManager"):
        deployment.contract("Gone")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "1-x.json"
    good = Deployment(chain=ChainId(1), env="x", contracts={"A": CONTRACT})
    deployments.write(path, good)
    bad = Deployment(chain=ChainId(1), env="x", contracts={"A": object()})  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        deployments.write(path, bad)
    assert deployments.read(path) == good
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("env", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_an_environment_must_be_part_of_a_file_name(tmp_path: Path, env: str) -> None:
    with pytest.raises(ValueError, match="not a name for an environment"):
        deployments.path_of(tmp_path, chain=ChainId(1), env=env)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file; run `headrace deploy`"),
        ("{", "not JSON"),
        ("[]", "the file: \\[\\] is not an object"),
        ('{"chainId": "1", "env": "x", "contracts": {}}', "chainId: '1' is not a whole number"),
        ('{"chainId": 1, "contracts": {}}', "env: None is not a text"),
        ('{"chainId": 1, "env": "x", "contracts": {"A": {"address": "0x1"}}}', r"contracts\.A\.address"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "1-x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NeedsOperator, match=why):
        deployments.read(path)


async def test_the_chain_is_asked_whether_the_code_is_the_one_recorded(deployer: Deployer, node: RpcNode) -> None:
    good = await deployer.deploy(ONE_BYTE)
    await deployments.check(Deployment(chain=CHAIN, env="demo", contracts={"OneByte": good}), node)

    changed = Deployed(
        address=good.address, block=good.block, transaction=good.transaction, code_hash=b"\x01" * 32
    )
    with pytest.raises(NeedsOperator) as refused:
        await deployments.check(
            Deployment(chain=CHAIN, env="demo", contracts={"Changed": changed, "Gone": CONTRACT}), node
        )
    assert f"Changed: the code at {address_text(good.address)} has the hash 0x" in str(refused.value)
    assert f"Gone: no code at {address_text(CONTRACT.address)}" in str(refused.value)

    with pytest.raises(NeedsOperator, match="the node is on chain 31337, the deployment demo is for chain 1"):
        await deployments.check(Deployment(chain=ChainId(1), env="demo", contracts={}), node)
