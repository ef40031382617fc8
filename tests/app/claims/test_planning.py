from collections import Counter

from headrace.app.claims.planning import planning_cpu_s
from headrace.core.settlement import Move


def test_all_that_is_made_up_is_planned_for() -> None:
    cpu_s, plan = planning_cpu_s(200, seed=1, tries=1)
    moves: Counter[Move] = Counter()
    for group in plan.groups:
        moves[group.move] += len(group.items)
    assert moves == {Move.CLAIM: 160, Move.RELEASE: 20, Move.CANCEL: 20}
    assert cpu_s > 0 and not plan.left and not plan.ask and not plan.look
