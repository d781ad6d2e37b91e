"""Print what the scenarios came to, and give the big form the time that it needs."""

from pathlib import Path

import pytest
from chaos import scale

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            if scale.BIG:
                item.add_marker(pytest.mark.timeout(0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not scale.tallies:
        return
    terminalreporter.section(f"chaos: {'big form' if scale.BIG else 'reduced form'}, seed {scale.SEED}")
    terminalreporter.write_line(f"{'scenario':<52}{'repetitions':>12}{'kills':>8}{'reads':>9}{'failures':>10}")
    for tally in scale.tallies:
        counts = f"{tally.repetitions:>12}{tally.kills:>8}{tally.reads:>9}{len(tally.faults):>10}"
        terminalreporter.write_line(f"{tally.scenario:<52}{counts}")
