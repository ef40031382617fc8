import pytest

from headrace.core.errors import (
    ContractRefused,
    FixTheRequest,
    HeadraceError,
    NeedsOperator,
    OtherContent,
    PolicyRefused,
    TryLater,
)
from headrace.core.words import Fees, Revert


def test_a_revert_reads_as_a_person_would_write_it() -> None:
    known = Revert(data=b"\x2e\x98\xc5\x33", name="TaskAlreadyExists", args={"existingTaskHash": "0x11"})
    assert str(known) == "TaskAlreadyExists(existingTaskHash=0x11)"
    assert str(Revert(data=b"\xde\xad\xbe\xef\x01")) == "unknown revert 0xdeadbeef01"
    assert str(Revert(data=b"")) == "empty revert data"


def test_fewer_than_four_bytes_are_no_selector() -> None:
    assert Revert(data=b"\x01\x02\x03").selector == b""
    assert Revert(data=b"\x01\x02\x03\x04\x05").selector == b"\x01\x02\x03\x04"


def test_a_tip_above_the_whole_fee_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Fees(max_fee_wei=1, tip_wei=2)


def test_every_error_says_who_must_act_by_a_code_of_its_own() -> None:
    kinds = [FixTheRequest, OtherContent, TryLater, NeedsOperator, PolicyRefused, ContractRefused]
    assert len({kind.rpc_code for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, HeadraceError) for kind in kinds)


def test_try_later_says_when() -> None:
    assert TryLater("full", retry_after_s=5.0).data == {"retry_after_s": 5.0}
