from headrace.core.operation import NEXT, Stage


def test_the_table_names_every_stage() -> None:
    assert set(NEXT) == set(Stage)
    assert {stage for following in NEXT.values() for stage in following} <= set(Stage)


def test_nothing_leaves_done() -> None:
    assert NEXT[Stage.DONE] == frozenset()


def test_every_stage_can_end() -> None:
    assert all(Stage.DONE in following for stage, following in NEXT.items() if stage is not Stage.DONE)


def test_only_what_a_lane_has_claimed_is_sealed() -> None:
    assert [stage for stage, following in NEXT.items() if Stage.SEALED in following] == [Stage.CLAIMED]


def test_only_what_may_travel_is_claimed() -> None:
    assert [stage for stage, following in NEXT.items() if Stage.CLAIMED in following] == [Stage.QUEUED]
