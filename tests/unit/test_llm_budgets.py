"""Budgets of a day: one for all processes of a home, before and after a restart."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.asking import retrieval_ask
from llm_engineering.bootstrap.llms import Accounts, open_llms
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.errors import BudgetExceeded
from llm_engineering.domain.llms import LlmCard, LlmRequest, Message
from llm_engineering.infrastructure.llms import Budget, Scripted
from llm_engineering.infrastructure.llms.budget import Account
from llm_engineering.infrastructure.llms.ledgers import FILE, FileLedger, Taken

CARD = LlmCard(name="paid", provider="test", input_price=1.0, output_price=1.0)
REQUEST = LlmRequest(messages=(Message(role="user", content="hello"),), max_tokens=100)
DAY = "2026-01-01"


def account(home: Path, tokens: int = 1_000, day: str = DAY, name: str = "paid") -> Account:
    return Account(Budget(tokens=tokens), CARD, today=lambda: day, ledger=FileLedger(home, name))


def spent_to_the_end(home: Path, **more: object) -> int:
    """Make calls of 200 tokens until there is no room for one more; return how many there were."""
    one, calls = account(home, **more), 0  # type: ignore[arg-type]
    while True:
        try:
            one.settle(one.reserve(REQUEST), 150, 50)
        except BudgetExceeded:
            return calls
        calls += 1


def test_what_was_spent_is_spent_after_a_restart(tmp_path: Path) -> None:
    assert spent_to_the_end(tmp_path) == 5
    assert spent_to_the_end(tmp_path) == 0
    with pytest.raises(BudgetExceeded, match=r"budget of 2026-01-01 .* is 1,000 tokens; 1,000 are spent"):
        account(tmp_path).reserve(REQUEST)
    assert spent_to_the_end(tmp_path, day="2026-01-02") == 5


def test_each_model_has_its_own(tmp_path: Path) -> None:
    assert spent_to_the_end(tmp_path) == spent_to_the_end(tmp_path, name="other") == 5


def test_what_another_has_set_aside_is_not_there_for_this_one(tmp_path: Path) -> None:
    mine, other = account(tmp_path, 350), account(tmp_path, 350)
    kept = mine.reserve(REQUEST)
    with pytest.raises(BudgetExceeded):
        other.reserve(REQUEST)
    mine.settle(kept, 1, 1)
    other.settle(other.reserve(REQUEST), 1, 1)


def test_what_is_set_aside_at_midnight_counts_on_the_new_day(tmp_path: Path) -> None:
    days = [DAY]
    mine = Account(Budget(tokens=350), CARD, today=lambda: days[0], ledger=FileLedger(tmp_path, "paid"))
    kept = mine.reserve(REQUEST)
    days[0] = "2026-01-02"
    with pytest.raises(BudgetExceeded):
        mine.reserve(REQUEST)
    mine.settle(kept, 100, 100)
    assert json.loads((tmp_path / FILE).read_text())["models"]["paid"]["tokens"] == 200


SPEND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_llm_budgets import spent_to_the_end
print(spent_to_the_end(Path(sys.argv[1]), tokens=20_000))
"""


def test_processes_that_spend_at_once_never_pass_it_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPEND, str(tmp_path), str(Path(__file__).parent)]
    spenders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    calls = [int(spender.communicate(timeout=300)[0]) for spender in spenders]
    taken = json.loads((tmp_path / FILE).read_text())["models"]["paid"]["tokens"]
    assert taken == 200 * sum(calls) <= 20_000
    # The last of them stops only when nobody has anything set aside any more.
    assert taken > 19_600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"day": "2026-01-01", "models": {"paid": 7}}'])
def test_a_damaged_file_is_counted_from_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert spent_to_the_end(tmp_path) == 5


def test_a_home_that_cannot_be_written_still_has_a_budget(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    ledger = FileLedger(home, "paid")
    alone = Account(Budget(tokens=350), CARD, today=lambda: DAY, ledger=ledger)
    alone.settle(alone.reserve(REQUEST), 150, 50)
    with pytest.raises(BudgetExceeded):
        alone.reserve(REQUEST)


def test_a_file_that_goes_away_midway_forgets_nothing(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "home", "paid")
    ledger.change(DAY, lambda taken: taken.more(300, 0.0))
    (tmp_path / "home" / FILE).unlink()
    (tmp_path / "home" / FILE).mkdir()
    seen: list[Taken] = []
    ledger.change(DAY, lambda taken: seen.append(taken) or taken)
    assert seen == [Taken(300, 0.0)]


async def _asked(spec: Scripted, accounts: Accounts | None = None) -> str:
    llms = open_llms([spec], None, Workspace(), accounts)
    try:
        return (await llms[spec.name].complete(REQUEST)).text
    finally:
        for llm in llms.values():
            await llm.close()


def test_a_model_of_a_configuration_keeps_its_budget_in_the_home(home: Path) -> None:
    spec = Scripted(text="word " * 90, budget=Budget(tokens=300))
    assert asyncio.run(_asked(spec))
    assert list(json.loads((home / FILE).read_text())["models"]) == ["scripted"]
    for _ in range(20):
        try:
            asyncio.run(_asked(spec))
        except BudgetExceeded:
            return
    pytest.fail("the budget was never spent, however often the process began anew")


@pytest.mark.parametrize("per", ["day", "process"])
def test_the_retrieval_spends_of_the_same_budget_and_its_model_is_closed(
    per: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    from llm_engineering.infrastructure.llms.layer import Layer

    close = Layer.close

    async def noted(self: Layer) -> None:
        closed.append(type(self).__name__)
        await close(self)

    monkeypatch.setattr(Layer, "close", noted)
    spec = Scripted(text="word " * 90, budget=Budget(tokens=300, per=per))  # type: ignore[arg-type]
    config = AssistantConfig.model_validate(
        {"llms": [spec.model_dump(mode="json")], "retrieval": {"self_query": {"kind": "llm"}}}
    )
    accounts = Accounts(Workspace())
    with retrieval_ask(config, None, Workspace(), accounts) as ask:
        assert ask is not None
        ask(REQUEST)
        ask(REQUEST)
        with pytest.raises(BudgetExceeded):
            ask(REQUEST)
        with pytest.raises(BudgetExceeded):
            asyncio.run(_asked(config.llms[0], accounts))  # type: ignore[arg-type]
        closed.clear()
    assert "Budgeted" in closed


def test_without_a_stage_that_asks_no_model_is_opened_for_the_retrieval() -> None:
    config = AssistantConfig.model_validate({"llms": [{"kind": "scripted"}]})
    with retrieval_ask(config, None, Workspace(), Accounts(Workspace())) as ask:
        assert ask is None
