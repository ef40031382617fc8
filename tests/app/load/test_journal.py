import json
from pathlib import Path

import pytest

from app.load.made_up import entry
from headrace.app.load.journal import Journal, Refused


@pytest.mark.parametrize("durable", [False, True])
def test_an_entry_is_on_disk_as_soon_as_it_is_closed(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, durable=durable) as journal:
        for number, answer in ((1, None), (2, Refused(-32615, "no"))):
            journal.offer(0.0)
            journal.close_entry(entry(number, answer=answer))
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            assert [line["operation_id"] for line in lines] == [f"op-{n}" for n in range(1, number + 1)]
    assert [line["answer"] for line in lines] == ["accepted", "refused"]
