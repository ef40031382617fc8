import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.page.made_up_runs import MadeUp, a_run, made_up
from headrace.app.page.writing import RunToShow, write_page
from headrace.app.report_rows import headline, notes, sections

AGAIN = "headrace demo --rate 10 --seconds 60"


@dataclass
class Read(HTMLParser):
    """What a browser would find: text outside of scripts, scripts by id, attributes of every element."""

    text: list[str] = field(default_factory=list)
    scripts: list[tuple[str | None, str]] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    _inside: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs).get("id"), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style" and data.strip():
            self.text.append(data)

    def of_script(self, id_: str) -> Any:
        return json.loads(dict(self.scripts)[id_])

    @property
    def whole(self) -> str:
        return " ".join(self.text)


def written(folder: Path, *runs: MadeUp, title: str = "Headrace demo", again: str = AGAIN) -> str:
    file = folder / "page.html"
    shown = [RunToShow(run=one.run, report=one.report, name=f"side {index}") for index, one in enumerate(runs)]
    write_page(file, title, shown, again=again)
    return file.read_text()


def read(html: str) -> Read:
    reader = Read()
    reader.feed(html)
    reader.close()
    return reader


def test_the_tables_say_what_the_terminal_says(tmp_path: Path) -> None:
    one = a_run()
    page = read(written(tmp_path, one))
    for section in sections(one.report):
        for row in section.rows:
            assert " ".join([row.name, *row.values]) in page.whole
    for line in notes(one.report):
        assert line in page.whole
    assert headline(one.report).on_time in page.text and headline(one.report).to_chain in page.text
    assert page.of_script("reports") == [one.report]


def test_the_charts_hold_the_numbers_of_the_report(tmp_path: Path) -> None:
    one = a_run()
    charts = read(written(tmp_path, one)).of_script("charts")
    assert list(charts) == [f"chart-0-{n}" for n in range(4)]
    completion, latency, sizes, gas = charts.values()
    ends = {trace["name"]: trace["y"][-1] for trace in completion["data"]}
    landed = one.report["outcomes"]["on_time"]
    assert ends == {"offered": 43, "answered": 42, "task on chain": landed, "response on chain": landed}
    assert {trace["name"] for trace in latency["data"]} == {"answer", "task on chain", "response on chain"}
    (marks,) = sizes["data"]
    assert max(marks["y"]) == one.report["operations_per_transaction"]["max"]
    assert len(marks["x"]) == one.report["transactions"]
    (marks,) = gas["data"]
    shared = sum(tasks * gas_a_task for tasks, gas_a_task in zip(marks["x"], marks["y"], strict=True))
    assert shared == pytest.approx(one.report["gas_total"], abs=sum(marks["x"]))


def test_every_axis_has_a_name_and_every_chart_a_sentence(tmp_path: Path) -> None:
    page = read(written(tmp_path, a_run()))
    for chart in page.of_script("charts").values():
        assert chart["layout"]["xaxis"]["title"]["text"] and chart["layout"]["yaxis"]["title"]["text"]
    ids = {value for _, name, value in page.attributes if name == "id"}
    told = [value for _, name, value in page.attributes if name in ("aria-labelledby", "aria-describedby")]
    assert len(told) == 8 and set(told) <= ids


def test_it_fetches_nothing_and_forbids_the_browser_to(tmp_path: Path) -> None:
    page = read(written(tmp_path, a_run()))
    assert not [a for a in page.attributes if a[1] in ("src", "href", "srcset", "action", "data", "background")]
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    (policy,) = [value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert {word for value in directives.values() for word in value.split()} <= {
        "'none'",
        "'unsafe-inline'",
        "data:",
        "blob:",
    }


def test_our_own_style_and_script_name_no_other_place(tmp_path: Path) -> None:
    html = written(tmp_path, a_run())
    ours = [text for _, text in read(html).scripts if "plotly.js v" not in text]
    assert len(ours) == 3
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert not re.search(
        "//[a-z]|url\\(|@import|import\\(|fetch\\(", style[1] + "".join(ours).replace("// Draws", "")
    )


def test_text_from_outside_cannot_become_part_of_the_page(tmp_path: Path) -> None:
    evil = "</script></pre><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"
    html = written(tmp_path, a_run(machine=evil), title=evil, again=evil)
    page = read(html)
    assert len(page.scripts) == 4 and "img" not in page.tags
    assert page.of_script("reports")[0]["machine"] == evil
    assert evil not in html.replace("\n", "")


def test_several_runs_stand_one_below_the_other_under_their_names(tmp_path: Path) -> None:
    page = read(written(tmp_path, a_run(), a_run(tasks=10)))
    assert [text for text in page.text if text.startswith("side ")] == ["side 0", "side 1"]
    assert len(page.of_script("charts")) == 8 and len(page.of_script("reports")) == 2


def test_it_says_in_a_sentence_what_came_of_it_and_how_to_repeat_it(tmp_path: Path) -> None:
    page = read(written(tmp_path, a_run()))
    assert "Of 42 tasks that were due to land, 40 had their response on chain within 60 s" in page.whole
    assert AGAIN in page.text


def test_a_run_in_which_nothing_landed_has_a_page(tmp_path: Path) -> None:
    page = read(written(tmp_path, made_up(blocks=[])))
    assert "Of 0 tasks" in page.whole


def test_a_large_run_makes_hardly_a_larger_page(tmp_path: Path) -> None:
    small = len(written(tmp_path, a_run(tasks=10)))
    large = len(written(tmp_path, a_run(tasks=30_000, per_transaction=10)))
    assert large - small < 500_000
