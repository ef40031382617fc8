"""Our contracts put on a real chain and set up, in one run or in several."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from headrace.app.clock import SystemClock
from headrace.app.deploying import (
    BATCH,
    ESCROW,
    REGISTRY,
    TASK_MANAGER,
    TEST_FEE_ROUTER,
    NewOperator,
    Plan,
    deploy_escrow,
    deploy_policy_clients,
    deploy_tasks,
)
from headrace.app.task_contracts import View
from headrace.attest import bls
from headrace.attest.keystore import write_keystore
from headrace.chain import deployments
from headrace.chain.artifacts import Artifact
from headrace.chain.deploying import Deployer
from headrace.chain.deployments import Deployed, Deployment
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import address_text
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator
from headrace.core.words import Address, Receipt
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey

OPERATORS = [
    NewOperator(
        address=Address(bytes([0xE0 + i]) * 20), key=bls.SecretKey.from_bytes(bytes([7, i]) * 16), stake=100 + i
    )
    for i in range(2)
]


class Interrupted(Exception):
    """The process ends here."""


class Mortal(Deployer):
    """Dies before its transaction number `steps` (from 0)."""

    steps: int

    def _step(self) -> None:
        if self.steps == 0:
            raise Interrupted
        self.steps -= 1

    async def deploy(self, artifact: Artifact, *args: object) -> Deployed:
        self._step()
        return await super().deploy(artifact, *args)

    async def transact(self, *args: Any, **kwargs: Any) -> Receipt:
        self._step()
        return await super().transact(*args, **kwargs)


@dataclass
class Site:
    """A chain, and an account on it that has sent nothing yet."""

    anvil: Anvil
    node: RpcNode
    owner: TestKey
    lane: TestKey
    file: Path

    def plan(self, **changes: Any) -> Plan:
        plan = Plan(owner=self.owner.address, lanes=[self.owner.address, self.lane.address], operators=OPERATORS)
        return replace(plan, **changes)

    async def deploy(self, plan: Plan | None = None, *, dies_at: int = -1) -> tuple[Deployment, list[str]]:
        """And what it said."""
        said: list[str] = []
        signer = LocalSigner(self.owner.secret)
        deployer = Mortal(self.node, signer, chain=self.anvil.chain, clock=SystemClock(), poll_every_s=0.01)
        deployer.steps = dies_at
        deployment = await deploy_tasks(
            plan or self.plan(),
            deployer=deployer,
            node=self.node,
            chain=self.anvil.chain,
            env="test",
            file=self.file,
            say=said.append,
        )
        return deployment, said

    async def transactions(self) -> int:
        """That the owner has sent so far."""
        return (await self.node.nonces(self.owner.address))[0]

    async def ask(self, deployment: Deployment, contract: str, question: str, *args: object) -> Any:
        return await View(self.node, contract, deployment.contract(contract).address).ask(question, *args)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with start_anvil(block_time_s=0) as anvil:
        node = RpcNode(Endpoints([anvil.http_url], clock=SystemClock()))
        yield Site(anvil, node, anvil.keys[0], anvil.keys[1], tmp_path / "31337-test.json")
        await node.close()


async def test_everything_is_deployed_set_up_and_written_down(site: Site) -> None:
    deployment, said = await site.deploy()
    assert deployments.read(site.file) == deployment
    await deployments.check(deployment, site.node)
    registry, manager, batch = (deployment.contract(name).address for name in (REGISTRY, TASK_MANAGER, BATCH))

    (linked,) = await site.ask(deployment, TASK_MANAGER, "registry")
    assert linked == registry
    assert await site.ask(deployment, REGISTRY, "isTaskGenerator", batch) == (True,)
    assert await site.ask(deployment, REGISTRY, "isTaskGenerator", site.lane.address) == (False,)
    assert await site.ask(deployment, BATCH, "isAuthorized", site.lane.address) == (True,)
    for index, operator in enumerate(OPERATORS):
        _, key, stake = await site.ask(deployment, REGISTRY, "operatorAt", index)
        assert (key, stake) == (operator.key.public_key.to_bytes(), operator.stake)
    # 3 contracts, 1 generator, 1 lane (the owner may anyway), 2 operators.
    assert await site.transactions() == len(said) == 7
    assert len({registry, manager, batch}) == 3


async def test_running_it_again_changes_nothing(site: Site) -> None:
    first, _ = await site.deploy()
    written, sent = site.file.read_bytes(), await site.transactions()
    again, said = await site.deploy()
    assert again == first
    assert said == []
    assert await site.transactions() == sent
    assert site.file.read_bytes() == written


async def test_an_interrupted_run_is_finished_by_the_next_wherever_it_was(site: Site) -> None:
    for step, owner in zip(range(7), site.anvil.keys[2:9], strict=True):
        here = replace(site, owner=owner, file=site.file.with_name(f"31337-{step}.json"))
        with pytest.raises(Interrupted):
            await here.deploy(dies_at=step)
        assert await here.transactions() == step
        recorded = deployments.read(here.file).contracts if here.file.exists() else {}
        assert len(recorded) == min(step, 3), "what is deployed is written down at once"
        deployment, said = await here.deploy()
        assert await here.transactions() == 7, "nothing is done twice"
        assert len(said) == 7 - step
        (accounts,) = await here.ask(deployment, REGISTRY, "operators")
        assert len(accounts) == len(OPERATORS)


async def test_what_is_new_in_the_plan_is_added(site: Site) -> None:
    await site.deploy(site.plan(lanes=[site.owner.address], operators=OPERATORS[:1]))
    sent = await site.transactions()
    deployment, said = await site.deploy(site.plan(direct=True))
    assert await site.transactions() == sent + 4
    assert [line.split("(")[0].split(" ")[0] for line in said] == [
        "OperatorRegistry.addTaskGenerator",  # each lane, to write to TaskManager itself
        "OperatorRegistry.addTaskGenerator",
        "BatchTaskManager.addAuthorized",
        "operator",
    ]
    for lane in (site.owner.address, site.lane.address):
        assert await site.ask(deployment, REGISTRY, "isTaskGenerator", lane) == (True,)


async def test_a_file_that_speaks_of_another_chain_stops_it_before_anything_is_sent(site: Site) -> None:
    await site.deploy()
    sent = await site.transactions()
    recorded = deployments.read(site.file)
    gone = replace(recorded.contract(BATCH), address=Address(b"\x99" * 20))
    deployments.write(site.file, replace(recorded, contracts={**recorded.contracts, BATCH: gone}))
    with pytest.raises(NeedsOperator, match="BatchTaskManager: no code at 0x9999"):
        await site.deploy()
    assert await site.transactions() == sent


async def test_a_policy_client_has_the_policy_it_was_made_for(site: Site) -> None:
    said: list[str] = []
    deployer = Deployer(
        site.node,
        LocalSigner(site.owner.secret),
        chain=site.anvil.chain,
        clock=SystemClock(),
        poll_every_s=0.01,
    )
    wanted = {"one": b"\x01" * 32, "two": b"\x02" * 32}
    clients = await deploy_policy_clients(wanted, deployer=deployer, say=said.append)
    for name, policy_id in wanted.items():
        assert await View(site.node, "PolicyClient", clients[name]).ask("policyId") == (policy_id,)
    assert len(said) == 2


# ---- As a command


async def headrace_deploy(folder: Path, **environment: str) -> tuple[int | None, str, str]:
    arguments = ["deploy", "--env", "prod", "--operators", "operators.toml"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", *arguments),
        cwd=folder,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_deploys_registers_and_is_repeatable(site: Site, tmp_path: Path) -> None:
    entries = []
    for index, operator in enumerate(OPERATORS):
        keystore = f"operator-{index}.json"
        write_keystore(tmp_path / keystore, operator.key, passphrase="of the test", scrypt_n=1024)
        entries.append(
            f'[[operators]]\naddress = "{address_text(operator.address)}"\nstake = {operator.stake}\n'
            f'keystore = "{keystore}"\npassphrase_env = "OPERATORS_PASS"\n'
        )
    (tmp_path / "operators.toml").write_text("\n".join(entries))
    (tmp_path / "headrace.toml").write_text(
        f'[chains.local]\nchain_id = 31337\nhttp = ["{site.anvil.http_url}"]\n'
        'deployment = "deployments/31337-prod.json"\n[[lanes]]\nchain = "local"\nkey_env = "LANE_KEY"\n'
    )
    secrets = {"LANE_KEY": site.owner.secret.hex(), "OPERATORS_PASS": "of the test"}

    code, out, err = await headrace_deploy(tmp_path, **secrets)
    assert code == 0, err
    assert out.strip() == str(Path("deployments/31337-prod.json"))
    assert len(err.splitlines()) == await site.transactions() == 6
    await deployments.check(deployments.read(tmp_path / out.strip()), site.node)

    code, again, err = await headrace_deploy(tmp_path, **secrets)
    assert (code, again, err) == (0, out, "")
    assert await site.transactions() == 6

    code, _, err = await headrace_deploy(tmp_path, **secrets | {"OPERATORS_PASS": "wrong"})
    assert code == 2
    assert "operator-0.json: the passphrase does not open this keystore" in err


async def test_an_escrow_is_put_beside_what_is_there_and_only_once(site: Site) -> None:
    said: list[str] = []
    owner = LocalSigner(site.owner.secret)
    deployer = Deployer(site.node, owner, chain=site.anvil.chain, clock=SystemClock(), poll_every_s=0.01)

    async def deploy() -> Deployment:
        return await deploy_escrow(
            fee_router=None,
            collector=Address(b"\xcc" * 20),
            deployer=deployer,
            node=site.node,
            chain=site.anvil.chain,
            env="test",
            file=site.file,
            say=said.append,
        )

    first = await deploy()
    assert set(first.contracts) == {TEST_FEE_ROUTER, ESCROW}
    assert await deploy() == first == deployments.read(site.file)
    assert len(said) == 2
    both, _ = await site.deploy()
    assert {ESCROW, TASK_MANAGER} <= set(both.contracts)
    (collector,) = await site.ask(both, ESCROW, "opcCollector")
    assert collector == Address(b"\xcc" * 20)
