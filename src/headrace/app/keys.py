"""Gets the lanes' keys from where the settings say they are. They go no further than into a signer."""

import os

from headrace.app.settings import BadSettings, LaneSettings, Settings
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator


def lane_signers(settings: Settings) -> list[LocalSigner]:
    """One for each lane, in order. Raises BadSettings with every problem; never shows a key."""
    signers: list[LocalSigner] = []
    problems = []
    for index, lane in enumerate(settings.lanes):
        try:
            signers.append(_signer(lane))
        except NeedsOperator as error:
            problems.append(f"lanes.{index}: {error.message}")
    addresses = [s.address for s in signers]
    if len(set(addresses)) != len(addresses):
        problems.append("lanes: two have the same key; each lane needs its own account")
    if problems:
        raise BadSettings(problems)
    return signers


def signer_from_env(variable: str) -> LocalSigner:
    """Raises BadSettings."""
    try:
        return _from_variable(variable)
    except NeedsOperator as error:
        raise BadSettings([error.message]) from None


def _signer(lane: LaneSettings) -> LocalSigner:
    if lane.key_env is not None:
        return _from_variable(lane.key_env)
    assert lane.keystore is not None and lane.passphrase_env is not None, lane
    return LocalSigner.from_keystore(lane.keystore, _value(lane.passphrase_env))


def _from_variable(name: str) -> LocalSigner:
    key = _value(name)
    try:
        return LocalSigner(key)
    except NeedsOperator as error:
        raise NeedsOperator(f"the variable {name}: {error.message}") from None


def _value(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise NeedsOperator(f"the variable {name} is not set")
    return value
