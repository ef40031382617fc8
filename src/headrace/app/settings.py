"""Everything an operator of the service may choose, checked once at start. No other file reads the environment.

One TOML file; each key can be overridden by `HEADRACE__SECTION__KEY`; `BATCH_SUBMITTER_ENABLED` works too.
Keys and passphrases are never in it: it names the environment variable or the file they are in.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from headrace.app.environment_settings import EnvironmentSettings
from headrace.core.errors import NeedsOperator
from headrace.jobs.guard import interval_problems

ENV_PREFIX = "HEADRACE__"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
# Their values may be secrets, or hold one (a node's URL often does): a problem with them does not show them.
_NOT_SHOWN = re.compile(r"(^|[._])(http|ws|url|key|keystore|pass|passphrase)([._]|$)")

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]


class BadSettings(NeedsOperator):
    """The settings cannot be used. `problems` has a line for each, with the key it is about."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings: " + "; ".join(problems), problems=problems)
        self.problems = problems


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewaySettings(Section):
    """Where it listens, and how much it takes."""

    host: str = "127.0.0.1"
    port: Port = 8645
    body_bytes_max: Annotated[int, Field(ge=1024)] = 1024 * 1024
    requests_in_work_max: Count = 4096
    operations_waiting_max: Count = 10_000  # in front of the store; beyond it: try later
    backlog_max: Count = 200_000  # saved and not yet sealed; beyond it: try later
    evaluations_max: Count = 10_000
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    control_socket: Path | None = None  # for `headrace lanes`; default: beside the store


class StoreSettings(Section):
    path: Path = Path("headrace.db")


class ChainSettings(Section):
    """One EVM chain. `http` in order of preference; `ws` for new heads (without it heads are polled)."""

    chain_id: Count
    http: Annotated[list[str], Field(min_length=1)]
    ws: str | None = None
    fork: Literal["prague", "osaka", "amsterdam"] = "osaka"
    poll_interval_s: Seconds = 1.0
    request_timeout_s: Seconds = 10.0
    # What is final is proven by the state of the block that is so deep, and nodes keep 128 of them.
    confirmations: Annotated[int, Field(ge=1, le=100)] = 12
    tip_wei: Annotated[int, Field(ge=0)] = 1_000_000
    fee_ceiling_gwei: Count = 300
    bump_percent: Annotated[int, Field(ge=10, le=1000)] = 12
    block_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    deployment: Path

    @field_validator("http", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        """The environment has no lists: it names several with commas between."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("http", "ws")
    @classmethod
    def _is_url(cls, value: list[str] | str | None) -> list[str] | str | None:
        for url in value if isinstance(value, list) else [value] if value else []:
            scheme = url.split("://", 1)[0]
            if scheme not in ("http", "https", "ws", "wss"):
                # Not the URL itself: it may carry a key.
                raise ValueError("is no http(s):// or ws(s):// URL")
        return value


class LaneSettings(Section):
    """One signer on one chain. Its key is `key_env` (a variable holding 32 bytes of hex) or `keystore` (an
    encrypted file) with `passphrase_env`."""

    chain: str
    key_env: str | None = None
    keystore: Path | None = None
    passphrase_env: str | None = None
    transactions_in_flight_max: Annotated[int, Field(ge=1, le=64)] = 16

    @field_validator("key_env", "passphrase_env")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and (not _VARIABLE.fullmatch(value) or _KEY.fullmatch(value)):
            raise ValueError("is no name of an environment variable (the secret itself does not belong here)")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key_env is None) == (self.keystore is None):
            raise ValueError("needs exactly one of key_env and keystore")
        if self.keystore is not None and self.passphrase_env is None:
            raise ValueError("a keystore needs passphrase_env, the variable that holds its passphrase")
        return self


class BatchSubmitterSettings(Section):
    """How operations are closed into batches. Names and defaults are the source document's where they still
    make sense; the gas of a transaction binds long before the batch sizes do."""

    enabled: bool = True
    max_create_batch_size: Annotated[int, Field(ge=1, le=1000)] = 120
    max_respond_batch_size: Annotated[int, Field(ge=1, le=1000)] = 120
    flush: Literal["block", "interval"] = "block"
    batch_interval_ms: Annotated[int, Field(ge=10, le=600_000)] = 2000
    respond_wait_timeout_ms: Annotated[int, Field(ge=1000)] = 60_000
    batch_contract_address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = None
    strict_only: bool = False  # the deployed batch contract has no try forms
    max_retries: Annotated[int, Field(ge=0, le=100)] = 2
    receipt_timeout_s: Seconds = 30


class TaskSettings(Section):
    recording: Literal["separate", "combined"] = "combined"
    policies: Path = Path("policies")
    quorum_threshold_percent: Annotated[int, Field(ge=1, le=100)] = 67
    error_abis: list[Path] = []  # ABIs whose errors reverts are read by, beside those of the task contracts

    @field_validator("error_abis", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        """As for `chains.NAME.http`: the environment has commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class OperatorEndpoint(Section):
    address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
    url: Annotated[str, Field(pattern=r"^https?://")]


class OperatorSettings(Section):
    """Who answers off chain. Keys and stakes are the registry's; here stands only where each listens."""

    endpoints: list[OperatorEndpoint] = []
    request_timeout_s: Seconds = 2.0
    patience_s: Seconds = 2.5  # how long one round of asking waits for the quorum
    slots_max: Count = 4096


class SettlementSettings(Section):
    """Payments of compute jobs: when they are claimed, and what is offered at which price. What must hold between
    the times is said by `jobs.guard`."""

    payment_claim_interval_s: Seconds = 3600
    payment_claim_initial_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 60
    claim_margin_s: Annotated[float, Field(ge=0, le=86_400)] = 300  # before expiry: then nothing is sent
    claim_duration_timeout_s: Annotated[int, Field(ge=60, le=31 * 86_400)] = 3600
    lock_confirmations: Annotated[int, Field(ge=1, le=10_000)] = 1  # how deep a lock must be for its job to begin
    lock_patience_s: Seconds = 600  # how long a lock may be on its way; then its job is over
    withdraw_claims: bool = True  # to the lane's account; else they stay in the escrow
    sweep_unknown_locks: bool = True  # cancel expired locks of our lanes that no job waits for
    environments: list[EnvironmentSettings] = []

    def interval_problems(self) -> list[str]:
        return interval_problems(
            payment_claim_interval_s=self.payment_claim_interval_s,
            payment_claim_initial_delay_s=self.payment_claim_initial_delay_s,
            claim_margin_s=self.claim_margin_s,
            claim_duration_timeout_s=self.claim_duration_timeout_s,
        )

    @field_validator("environments")
    @classmethod
    def _ids_differ(cls, value: list[EnvironmentSettings]) -> list[EnvironmentSettings]:
        ids = [environment.id for environment in value]
        twice = sorted({id for id in ids if ids.count(id) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is there twice")
        return value


class ComputeSettings(Section):
    """An engine for compute jobs of our own, for jobs of one environment. Jobs of others are run and reported by
    engines elsewhere. What a job may declare at most: `*_max`; files are kept in memory while it runs."""

    enabled: bool = False
    environment: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,200}$")] = "local"
    results: Path = Path("results")
    jobs_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    waiting_max: Count = 1000  # for a place; beyond it: try later
    bubblewrap: Path | None = None  # default: the first of PATH, else the project's own .tools/bin/bwrap
    unsandboxed: bool = False  # jobs read what their user may read, and reach the network
    memory_mb_max: Annotated[int, Field(ge=32)] = 1024
    disk_mb_max: Count = 256
    output_mb_max: Count = 16
    processes_max: Annotated[int, Field(ge=1, le=4096)] = 64


class Settings(Section):
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    chains: dict[str, ChainSettings] = Field(min_length=1)
    lanes: list[LaneSettings] = Field(min_length=1)
    batch_submitter: BatchSubmitterSettings = BatchSubmitterSettings()
    tasks: TaskSettings = TaskSettings()
    operators: OperatorSettings = OperatorSettings()
    settlement: SettlementSettings = SettlementSettings()
    compute: ComputeSettings = ComputeSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            f"lanes.{i}.chain: {lane.chain!r} is none of chains.{', chains.'.join(self.chains)}"
            for i, lane in enumerate(self.lanes)
            if lane.chain not in self.chains
        ]
        ours = [environment.id for environment in self.settlement.environments]
        if self.compute.enabled and self.compute.environment not in ours:
            problems.append(
                f"compute.environment: {self.compute.environment!r} is none of settlement.environments, so "
                "nobody could start a job in it"
            )
        if len(self.chains) > 1:
            problems.append("chains: one gateway serves one chain; run another gateway for the other")
        problems += [f"settlement.{problem}" for problem in self.settlement.interval_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def recording(self) -> Literal["separate", "combined"]:
        """Without the batch contract a task can only be created and then responded to, whatever was chosen."""
        return self.tasks.recording if self.batch_submitter.enabled else "separate"

    @property
    def control_socket(self) -> Path:
        """Beside the store itself: two names of one store are one store."""
        if self.gateway.control_socket is not None:
            return self.gateway.control_socket
        store = self.store.path.resolve()
        return store.with_name(store.name + ".control")

    @property
    def chain(self) -> ChainSettings:
        (chain,) = self.chains.values()
        return chain


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the file and the environment. Relative paths count from the file's folder.

    Raises BadSettings with every problem at once."""
    environment = os.environ if environment is None else environment
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings([f"{path}: is no TOML: {error}"]) from None
    problems = _override(content, environment)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise BadSettings(problems + _problems(error)) from None
    if problems:
        raise BadSettings(problems)
    return _resolved(settings, path.parent)


def _override(content: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Puts the environment's values into the content; answers with the names that fit nowhere."""
    problems = []
    enabled = environment.get("BATCH_SUBMITTER_ENABLED")
    if enabled is not None and isinstance(content.setdefault("batch_submitter", {}), dict):
        content["batch_submitter"]["enabled"] = enabled
    for name, value in environment.items():
        if not name.startswith(ENV_PREFIX):
            continue
        keys = [key.lower() for key in name.removeprefix(ENV_PREFIX).split("__")]
        if not _put(content, keys, value):
            problems.append(f"{name}: there is no such setting to override")
    return problems


def _put(content: Any, keys: list[str], value: str) -> bool:
    """Lists are entered by index (`HEADRACE__LANES__0__KEY_ENV`)."""
    for key in keys[:-1]:
        if isinstance(content, list):
            if not key.isdecimal() or int(key) >= len(content):
                return False
            content = content[int(key)]
        elif isinstance(content, dict):
            content = content.setdefault(key, {})
        else:
            return False
    if not isinstance(content, dict):
        return False
    content[keys[-1]] = value
    return True


def _problems(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            text = "is no setting (misspelt?)"
        elif problem["type"] == "missing":
            text = "is missing"
        elif not _NOT_SHOWN.search(key) and isinstance(problem["input"], str | int | float | bool):
            text = f"{text}, but is {problem['input']!r}"
        lines.extend(f"{key}: {line}" if key else line for line in text.split("\n"))
    return lines


def _resolved(settings: Settings, folder: Path) -> Settings:
    def under(path: Path) -> Path:
        return path if path.is_absolute() else (folder / path).resolve()

    chains = {
        name: chain.model_copy(update={"deployment": under(chain.deployment)})
        for name, chain in settings.chains.items()
    }
    lanes = [
        lane.model_copy(update={"keystore": under(lane.keystore) if lane.keystore else None})
        for lane in settings.lanes
    ]
    return settings.model_copy(
        update={
            "chains": chains,
            "lanes": lanes,
            "gateway": settings.gateway.model_copy(
                update={"control_socket": under(control) if (control := settings.gateway.control_socket) else None}
            ),
            "store": StoreSettings(path=under(settings.store.path)),
            "compute": settings.compute.model_copy(
                update={
                    "results": under(settings.compute.results),
                    "bubblewrap": under(program) if (program := settings.compute.bubblewrap) else None,
                }
            ),
            "tasks": settings.tasks.model_copy(
                update={
                    "policies": under(settings.tasks.policies),
                    "error_abis": [under(path) for path in settings.tasks.error_abis],
                }
            ),
        }
    )
