"""A settlement's report for people: two headline figures, then jobs, money, gas and transactions."""

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.app.demo.settlement.shape import SettlementReport

PAYERS_SHOWN_MAX: Final = 8
_ADDRESS_SHOWN: Final = 12


def print_settlement(report: SettlementReport, console: Console) -> None:
    console.print(settlement_table(report))


def settlement_table(report: SettlementReport) -> RenderableType:
    tables = (_jobs(report), _money(report), _payers(report), _gas(report), _transactions(report))
    spaced = [part for table in tables for part in (table, Text())]
    return Group(_headline(report), *spaced, _notes(report))


def _headline(report: SettlementReport) -> Text:
    section = report["settlement"]
    right, jobs = report["outcomes"]["on_time"], report["offered"]
    good = right == jobs and not section["problems"]
    gas = section["gas"]
    return Text.assemble(
        ("settled right  ", "bold"),
        (f"{right:,} of {jobs:,}", "bold green" if good else "bold red"),
        ("      gas a claim  ", "bold"),
        (f"{gas['claim']:,}, {gas['claim_percent_of_single']:g} % of a single one", "bold cyan"),
        "\n",
    )


def _jobs(report: SettlementReport) -> Table:
    table = _table("jobs that", "jobs", "right", "payment")
    for part in report["settlement"]["parts"].values():
        ends = ", ".join(
            name if count == part["jobs"] else f"{name} x {count}" for name, count in part["settlement"].items()
        )
        right = f"{part['right']:,}" if part["right"] == part["jobs"] else f"[red]{part['right']:,}[/red]"
        table.add_row(part["what"], f"{part['jobs']:,}", right, ends.replace("_", " "))
    return table


def _money(report: SettlementReport) -> Table:
    money = report["settlement"]["money"]
    rows = (
        ("deposited by the payers", "deposited"),
        ("locked for jobs, in all", "locked_in_all"),
        ("  paid for jobs", "paid"),
        ("    of these fees", "fees"),
        ("    of these withdrawn by the provider", "withdrawn"),
        ("  returned to payers", "returned"),
        ("paid to the other provider", "paid_to_others"),
        ("taken out by payers", "taken_out"),
        ("left to the payers", "left"),
        ("still locked", "locked"),
    )
    table = _table("money", "tokens")
    for text, name in rows:
        table.add_row(text, _tokens(money[name], money["decimals"]))  # type: ignore[literal-required]
    return table


def _payers(report: SettlementReport) -> Table:
    section = report["settlement"]
    decimals, payers = section["money"]["decimals"], section["payers"]
    table = _table("payer", "jobs", "deposited", "paid", "returned", "left")
    # The last one has a story of its own.
    shown = payers if len(payers) <= PAYERS_SHOWN_MAX else [*payers[: PAYERS_SHOWN_MAX - 1], payers[-1]]
    for payer in shown:
        amounts = (payer["deposited"], payer["paid"], payer["returned"], payer["left"])
        table.add_row(
            f"{payer['payer'][:_ADDRESS_SHOWN]}…", f"{payer['jobs']:,}", *(_tokens(a, decimals) for a in amounts)
        )
    if len(shown) < len(payers):
        table.add_row(f"and {len(payers) - len(shown)} more, in the JSON")
    return table


def _gas(report: SettlementReport) -> Table:
    gas = report["settlement"]["gas"]
    table = _table("gas", "a lock", "a claim", "share")
    table.add_row(
        "the gateway, batched", f"{gas['lock']:,}", f"{gas['claim']:,}", f"{gas['claim_percent_of_single']:g} %"
    )
    for name, one in gas["one_by_one"].items():
        table.add_row(f"one by one, {name}, {one['locks']:,} locks", "", f"{one['claim_single']:,}", "100 %")
        table.add_row(
            f"by hand in batches, {name}",
            f"{one['lock_batched']:,}",
            f"{one['claim_batched']:,}",
            f"{one['claim_batched_percent']:g} %",
        )
    table.add_row("all of the gateway's, a paid job", "", f"{gas['job']:,}", "")
    return table


def _transactions(report: SettlementReport) -> Table:
    transactions = report["settlement"]["transactions"]
    table = _table("the gateway's transactions", "")
    table.add_row("that lock", f"{transactions['locks']:,}")
    table.add_row("that claim or release", f"{transactions['claims']:,}")
    table.add_row("  most in one", f"{transactions['claims_per_transaction_max']:,}")
    table.add_row("  most gas of one", f"{transactions['claim_gas_max']:,}")
    table.add_row("that cancel", f"{transactions['cancels']:,}")
    table.add_row("that withdraw", f"{transactions['withdrawals']:,}")
    table.add_row("of all these reverted", f"{transactions['reverted']:,}")
    return table


def _notes(report: SettlementReport) -> Text:
    section, profile = report["settlement"], report["profile"]
    lines = [
        f"{section['paid_jobs']:,} paid and {section['free_jobs']:,} free jobs in {profile['seconds']:g} s; "
        f"a block every {profile['block_time_s']} s, gas limit {profile['gas_limit'] or 0:,}",
        "money and gas are read from the chain by a watcher of its own; every job's payment was compared with it",
        "one by one: claimLock of another provider on the same chain, with as many locks of the same payers",
    ]
    for run in section["runs"]:
        counts = ", ".join(f"{count} {what}" for what, count in run["counts"].items()) or "nothing due"
        lines.append(f"claim run {run['id']}, because {run['because']}: {counts}")
    lines.append(
        "the books balance: deposits are what is available, locked, withdrawn and gone as fees"
        if section["books_balance"]
        else "THE BOOKS DO NOT BALANCE"
    )
    if "machine" in report:
        lines.append(report["machine"])
    return Text("\n".join(lines), style="dim")


def _tokens(units: str, decimals: int) -> str:
    whole, rest = divmod(int(units), 10**decimals)
    return f"{whole:,}.{rest:0{decimals}d}"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(first, min_width=28)
    for column in columns:
        table.add_column(column, justify="right", min_width=7)
    return table
