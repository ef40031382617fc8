from fractions import Fraction
from pathlib import Path

import pytest

from headrace.app.settings import BadSettings, Settings, load_settings
from headrace.engine.strangers import STATES_KEPT

SMALL = """
[chains.sepolia]
chain_id = 11155111
http = ["https://first.example/rpc", "https://second.example/rpc"]
deployment = "deployments/11155111-prod.json"

[[lanes]]
chain = "sepolia"
key_env = "LANE_KEY"

[[operators.endpoints]]
address = "0x1111111111111111111111111111111111111111"
url = "http://operator-0:8700"
"""
SECRET = "d0nt-sh0w-me"


def load(folder: Path, text: str = SMALL, **environment: str) -> Settings:
    file = folder / "headrace.toml"
    file.write_text(text)
    return load_settings(file, environment)


def problems_of(folder: Path, text: str = SMALL, **environment: str) -> list[str]:
    with pytest.raises(BadSettings) as bad:
        load(folder, text, **environment)
    return bad.value.problems


def test_the_small_example_is_enough(tmp_path):
    settings = load(tmp_path)
    assert settings.chain.chain_id == 11155111
    assert settings.chain.confirmations == 12
    assert settings.lanes[0].transactions_in_flight_max == 16
    assert settings.batch_submitter.enabled
    assert settings.recording == "combined"


def test_an_outcome_cannot_be_final_deeper_than_nodes_keep_the_state_to_prove_it(tmp_path):
    assert load(tmp_path, HEADRACE__CHAINS__SEPOLIA__CONFIRMATIONS="100").chain.confirmations <= STATES_KEPT
    (problem,) = problems_of(tmp_path, HEADRACE__CHAINS__SEPOLIA__CONFIRMATIONS="101")
    assert "confirmations" in problem
    assert "100" in problem


def test_the_example_of_the_documentation_is_accepted(tmp_path):
    document = Path(__file__).parents[2] / "docs" / "configuration.md"
    example = document.read_text().split("```toml\n")[1].split("```")[0]
    settings = load(tmp_path, example.replace("0x...", "0x" + "11" * 20))
    assert settings.chain.ws == "wss://first.example/ws"


def test_every_key_is_documented():
    document = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    for name in ("gateway", "store", "batch_submitter", "tasks", "operators", "settlement", "compute"):
        for key in sections[name].model_fields:
            assert f"`{key}`" in document or f"[[{name}.{key}]]" in document, f"{name}.{key}"


def test_relative_paths_count_from_the_files_folder(tmp_path):
    text = SMALL.replace('key_env = "LANE_KEY"', 'keystore = "keys/lane.json"\npassphrase_env = "PASS"')
    text += '\n[store]\npath = "/var/lib/headrace.db"\n'
    settings = load(tmp_path, text)
    assert settings.chain.deployment == tmp_path / "deployments/11155111-prod.json"
    assert settings.tasks.policies == tmp_path / "policies"
    assert settings.lanes[0].keystore == tmp_path / "keys/lane.json"
    assert settings.store.path == Path("/var/lib/headrace.db")


# ---- The environment


def test_the_environment_overrides_single_keys(tmp_path):
    settings = load(
        tmp_path,
        HEADRACE__GATEWAY__PORT="9000",
        HEADRACE__CHAINS__SEPOLIA__CONFIRMATIONS="3",
        HEADRACE__STORE__PATH="other.db",
        HEADRACE__BATCH_SUBMITTER__STRICT_ONLY="true",
        UNRELATED="x",
    )
    assert settings.gateway.port == 9000
    assert settings.chain.confirmations == 3
    assert settings.store.path == tmp_path / "other.db"
    assert settings.batch_submitter.strict_only


def test_lists_are_entered_by_index(tmp_path):
    settings = load(
        tmp_path,
        HEADRACE__LANES__0__KEY_ENV="OTHER_KEY",
        HEADRACE__OPERATORS__ENDPOINTS__0__URL="https://elsewhere:1",
    )
    assert settings.lanes[0].key_env == "OTHER_KEY"
    assert settings.operators.endpoints[0].url == "https://elsewhere:1"


@pytest.mark.parametrize(
    "text", [SMALL, SMALL.replace("http = [", "# http = [")], ids=["in the file", "not there"]
)
def test_several_nodes_are_named_with_commas_between(tmp_path, text):
    settings = load(tmp_path, text, HEADRACE__CHAINS__SEPOLIA__HTTP="http://one:1, http://two:2")
    assert settings.chain.http == ["http://one:1", "http://two:2"]


@pytest.mark.parametrize(("word", "enabled"), [("false", False), ("0", False), ("true", True), ("TRUE", True)])
def test_the_source_documents_variable_switches_batches_off(tmp_path, word, enabled):
    settings = load(tmp_path, BATCH_SUBMITTER_ENABLED=word)
    assert settings.batch_submitter.enabled is enabled
    assert settings.recording == ("combined" if enabled else "separate")


def test_without_the_batch_contract_tasks_are_recorded_separately_whatever_was_chosen(tmp_path):
    text = SMALL + '\n[tasks]\nrecording = "combined"\n[batch_submitter]\nenabled = false\n'
    assert load(tmp_path, text).recording == "separate"
    assert load(tmp_path, text, BATCH_SUBMITTER_ENABLED="true").recording == "combined"


@pytest.mark.parametrize(
    "name",
    [
        "HEADRACE__LANES__1__KEY_ENV",
        "HEADRACE__LANES__FIRST__KEY_ENV",
        "HEADRACE__LANES__0",
        "HEADRACE__LANES__²__KEY_ENV",
    ],
)
def test_a_variable_that_fits_nowhere_is_named(tmp_path, name):
    assert problems_of(tmp_path, **{name: "x"}) == [f"{name}: there is no such setting to override"]


def test_a_misspelt_variable_is_named_as_the_key_that_it_would_set(tmp_path):
    assert problems_of(tmp_path, HEADRACE__GATEWAY__PROT="1") == ["gateway.prot: is no setting (misspelt?)"]


# ---- Problems


def test_all_problems_are_listed_at_once(tmp_path):
    text = SMALL.replace('chain = "sepolia"', 'chain = "mainnet"').replace("chain_id = 11155111", "")
    text += """
colour = "blue"
[gateway]
port = 70000
log_level = "loud"
[batch_submitter]
max_retries = -1
[tasks]
recording = "committed"
"""
    problems = problems_of(tmp_path, text, HEADRACE__LANES__7__CHAIN="x")
    assert problems[0] == "HEADRACE__LANES__7__CHAIN: there is no such setting to override"
    for start in (
        "chains.sepolia.chain_id: is missing",
        "operators.endpoints.0.colour: is no setting",
        "gateway.port: ",
        "gateway.log_level: ",
        "batch_submitter.max_retries: ",
        "tasks.recording: ",
    ):
        assert any(problem.startswith(start) for problem in problems), (start, problems)
    assert len(problems) == 7


def test_a_problem_shows_the_value_and_what_would_be_right(tmp_path):
    (problem,) = problems_of(tmp_path, HEADRACE__GATEWAY__PORT="70000")
    assert problem.startswith("gateway.port: ")
    assert "65535" in problem
    assert "70000" in problem


@pytest.mark.parametrize(
    ("settlement", "problem"),
    [
        ("payment_claim_interval_s = 3601", "settlement.payment_claim_interval_s: is 3601 s, longer than a lock"),
        ("claim_duration_timeout_s = 600", "settlement.payment_claim_interval_s: is 3600 s, longer than a lock"),
        ("claim_margin_s = 3500", "settlement.claim_margin_s: is 3500 s; with the 180 s"),
        ("payment_claim_interval_s = nan", "settlement.payment_claim_interval_s: "),
        ("claim_margin_s = nan", "settlement.claim_margin_s: "),
        ("payment_claim_interval_s = 0", "settlement.payment_claim_interval_s: "),
        ("claim_duration_timeout_s = 3600.5", "settlement.claim_duration_timeout_s: "),
    ],
)
def test_claim_runs_that_cannot_meet_their_locks_are_refused_at_start(tmp_path, settlement, problem):
    (found,) = problems_of(tmp_path, f"{SMALL}\n[settlement]\n{settlement}\n")
    assert found.startswith(problem)


def test_claim_runs_work_as_they_are(tmp_path):
    settings = load(tmp_path, HEADRACE__SETTLEMENT__CLAIM_MARGIN_S="120").settlement
    assert settings.payment_claim_interval_s == 3600
    assert settings.payment_claim_initial_delay_s == 60
    assert settings.claim_margin_s == 120
    assert settings.claim_duration_timeout_s == 3600


ENVIRONMENT = """
[[settlement.environments]]
id = "small"
resources = { cpu = "2" }
[[settlement.environments.prices]]
token = "0x00000000000000000000000000000000000000aa"
per_minute = { cpu = "0.5" }
"""


def test_an_environment_is_what_a_job_can_be_started_in(tmp_path):
    (environment,) = load(tmp_path, SMALL + ENVIRONMENT).settlement.environments
    offered = environment.environment()
    assert offered.id == "small"
    assert offered.free_max_duration_s is None
    assert offered.most == {"cpu": 2}
    (price,) = offered.prices
    assert (price.token, price.of) == (bytes(19) + b"\xaa", {"cpu": Fraction(1, 2)})


@pytest.mark.parametrize(
    ("instead", "of", "problem"),
    [
        ('cpu = "1e3"', 'cpu = "0.5"', "prices.0.per_minute: cpu: '1e3' is no decimal number"),
        ('ram = "1"', 'cpu = "0.5"', "prices: ram is none of its resources"),
        ('cpu = "-2"', 'cpu = "2"', "resources: cpu: '-2' is no decimal number"),
        ('id = "a b"', 'id = "small"', "id: is no name"),
        ('token = "0xaa"', 'token = "0x00000000000000000000000000000000000000aa"', "prices.0.token: "),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused_at_start(tmp_path, instead, of, problem):
    (found,) = problems_of(tmp_path, SMALL + ENVIRONMENT.replace(of, instead))
    assert found.startswith("settlement.environments.0")
    assert problem in found


def test_two_environments_of_one_name_are_refused_at_start(tmp_path):
    (found,) = problems_of(tmp_path, SMALL + ENVIRONMENT + ENVIRONMENT)
    assert found.startswith("settlement.environments: small is there twice")


def test_what_fits_alone_must_fit_together(tmp_path):
    second = '\n[chains.base]\nchain_id = 8453\nhttp = ["https://x"]\ndeployment = "d.json"\n'
    problems = problems_of(tmp_path, SMALL.replace('chain = "sepolia"', 'chain = "mainnet"') + second)
    assert problems == [
        "lanes.0.chain: 'mainnet' is none of chains.sepolia, chains.base",
        "chains: one gateway serves one chain; run another gateway for the other",
    ]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "lanes.0: needs exactly one of key_env and keystore"),
        ('key_env = "A"\nkeystore = "b"', "lanes.0: needs exactly one of key_env and keystore"),
        ('keystore = "b"', "lanes.0: a keystore needs passphrase_env, the variable that holds its passphrase"),
    ],
)
def test_a_lane_has_one_key(tmp_path, key, problem):
    assert problems_of(tmp_path, SMALL.replace('key_env = "LANE_KEY"', key)) == [problem]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('key_env = "LANE_KEY"', 'key_env = "0x' + "ab" * 32 + '"'),
        ('key_env = "LANE_KEY"', 'key_env = "' + "ab" * 32 + '"'),
        ('key_env = "LANE_KEY"', f'keystore = "k"\npassphrase_env = "{SECRET} of mine"'),
        ('key_env = "LANE_KEY"', f'private_key = "{SECRET}"'),
        ("deployment =", f'ws = "ftp://node.example/{SECRET}"\ndeployment ='),
        ("https://first.example/rpc", f"first.example/{SECRET}"),
        ('http = ["https://first.example/rpc", "https://second.example/rpc"]', f'http = "node.example/{SECRET}"'),
        ("http://operator-0:8700", f"operator.example/{SECRET}"),
    ],
)
def test_what_may_be_a_secret_is_never_shown(tmp_path, old, new):
    assert old in SMALL
    problems = problems_of(tmp_path, SMALL.replace(old, new))
    assert problems
    assert SECRET not in str(problems)
    assert "abababab" not in str(problems)


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path):
    with pytest.raises(BadSettings, match=r"gone\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "gone.toml", {})
    with pytest.raises(BadSettings, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})
    assert "is no TOML" in problems_of(tmp_path, "[gateway\n")[0]
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="is no TOML"):
        load_settings(binary, {})


def test_sections_of_the_wrong_kind_are_named_not_stumbled_over(tmp_path):
    text = "batch_submitter = 3\nchains = 4\nlanes = 5\n"
    problems = problems_of(tmp_path, text, BATCH_SUBMITTER_ENABLED="false", HEADRACE__CHAINS__A__WS="ws://x")
    for key in ("batch_submitter", "chains", "lanes", "HEADRACE__CHAINS__A__WS"):
        assert any(problem.startswith(f"{key}: ") for problem in problems), (key, problems)
