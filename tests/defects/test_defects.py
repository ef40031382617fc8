"""What `make defects` needs is there, and what it says is so. The trial itself is run by that command."""

import json
from collections import Counter
from pathlib import Path
from string import ascii_lowercase

import pytest

from defects.__main__ import Verdict, judge
from defects.copies import PatchDoesNotApply, apply
from defects.manifest import HERE, PROJECT, BadManifest, Defect, Guard, chosen, read_manifest
from defects.running import How, Run, of_cases, of_forge

DEFECTS = read_manifest()
GUARD = Guard("tests/a/test_b.py", "test_c")
DEFECT = Defect("X01", "It was wrong.", HERE / "X01-it-is-wrong.patch", (GUARD,))
RUNS = {how: {GUARD: Run(how, "why")} for how in How}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.id)
def test_its_patch_applies_to_the_code_as_it_is(defect: Defect) -> None:
    """Whoever changes the code that a patch changes makes the patch anew: tests/defects/README.md says how."""
    apply(defect.patch, PROJECT, only_check=True)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.id)
def test_its_tests_are_there(defect: Defect) -> None:
    missing = [str(guard) for guard in defect.guards if not guard.exists(PROJECT)]
    assert not missing, "renamed or gone? tests/defects/manifest.toml names them"


def test_a_method_is_there_though_its_class_inherits_it() -> None:
    file = "tests/store/test_sqlite.py"
    assert Guard(file, "TestSqlite::test_an_id_is_one_job").exists(PROJECT)
    assert Guard(file, "TestSqlite::test_an_id_is_one_job").promise == "an id is one job"
    assert not Guard(file, "TestSqlite::test_an_id_is_two_jobs").exists(PROJECT)
    assert not Guard(file, "TestOther::test_an_id_is_one_job").exists(PROJECT)


def test_every_patch_is_in_the_manifest_once() -> None:
    assert Counter(defect.patch for defect in DEFECTS) == Counter(HERE.glob("*.patch"))


def test_no_number_is_left_out() -> None:
    assert {defect.id[:3] for defect in DEFECTS if defect.id[0] == "D"} == {f"D{n:02}" for n in range(1, 16)}
    assert {defect.id[:3] for defect in DEFECTS if defect.id[0] == "S"} == {f"S-{c}" for c in ascii_lowercase[:20]}


def test_a_patch_that_no_longer_applies_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PatchDoesNotApply, match=r"D03-.*no longer applies.*flight"):
        apply(chosen(DEFECTS, "D03")[0].patch, tmp_path)


def test_one_is_chosen_by_how_its_id_begins() -> None:
    assert [defect.id for defect in chosen(DEFECTS, "d04")] == ["D04a", "D04b"]
    assert chosen(DEFECTS, None) == DEFECTS
    with pytest.raises(BadManifest, match="ONE=D99"):
        chosen(DEFECTS, "D99")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"was": None}, "entry X01: has id, noticed_by, patch; needs id, noticed_by, patch, was"),
        ({"patch": "other.patch"}, "entry X01: 'other.patch' must be a file beside the manifest"),
        ({"noticed_by": ["tests/test_a.py"]}, "is not file::test"),
        ({"noticed_by": ["tests/test_a.py::test_b[c]"]}, "is not file::test"),
        ({"noticed_by": []}, "noticed_by is a list of tests"),
    ],
)
def test_what_is_wrong_in_a_manifest_is_told(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    entry = {
        "id": "X01",
        "was": "It.",
        "patch": "X01-it.patch",
        "noticed_by": ["tests/test_a.py::test_b"],
    } | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
    (tmp_path / "X01-it.patch").touch()
    (tmp_path / "manifest.toml").write_text("\n".join(["[[defect]]", *lines]))
    with pytest.raises(BadManifest, match=told.replace("[", r"\[")):
        read_manifest(tmp_path / "manifest.toml")


@pytest.mark.parametrize(
    ("without", "with_it", "verdict"),
    [
        (How.PASSED, How.FAILED, Verdict.NOTICED),
        (How.PASSED, How.PASSED, Verdict.NOT_NOTICED),
        (How.PASSED, How.BROKEN, Verdict.UNKNOWN),  # a crash is no assertion
        (How.FAILED, How.FAILED, Verdict.UNKNOWN),
        (How.BROKEN, How.BROKEN, Verdict.UNKNOWN),
    ],
)
def test_it_is_noticed_only_by_a_test_that_passes_without_the_defect_and_fails_with_it(
    without: How, with_it: How, verdict: Verdict
) -> None:
    found = judge(DEFECT, RUNS[without], RUNS[with_it])
    assert found.verdict is verdict
    assert all(str(GUARD) in fault for fault in found.faults)
    assert bool(found.faults) is (verdict is not Verdict.NOTICED)


def test_a_test_with_parameters_fails_where_one_case_does_and_is_broken_where_one_is() -> None:
    passed, failed, broken = ({"how": how.value, "why": how.name} for how in (How.PASSED, How.FAILED, How.BROKEN))
    assert of_cases([passed, failed, passed], "").how is How.FAILED
    assert of_cases([failed, broken], "").how is How.BROKEN
    assert of_cases([passed], "").how is How.PASSED
    assert of_cases([], "no tests collected") == Run(How.BROKEN, "it did not run: no tests collected")


@pytest.mark.parametrize(
    ("status", "reason", "how"),
    [
        ("Success", None, How.PASSED),
        ("Failure", "assertion failed: one: 1 != 2", How.FAILED),
        ("Failure", "next call did not revert as expected", How.FAILED),
        ("Failure", "Error != expected error: EmptyBatch() != Unauthorized()", How.FAILED),
        ("Failure", "panic: arithmetic underflow or overflow (0x11)", How.BROKEN),
    ],
)
def test_what_forge_says_is_read(status: str, reason: str | None, how: How) -> None:
    result = {"status": status, "reason": reason}
    said = "a warning\n" + json.dumps({"test/A.t.sol:ATest": {"test_results": {"test_B()": result}}})
    assert of_forge("test_B", said).how is how
    assert of_forge("test_C", said).how is How.BROKEN


def test_a_promise_reads_as_a_sentence() -> None:
    assert Guard("tests/a.py", "test_two_retries_are_three_tries").promise == "two retries are three tries"
    assert Guard("a.t.sol", "test_AStrangerCannotRecord").promise == "a stranger cannot record"
