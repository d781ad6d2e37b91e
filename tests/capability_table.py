"""The table of what each vector store can do, made from the code; `python tests/capability_table.py` writes it."""

from pathlib import Path
from typing import Any, get_args

from llm_engineering.infrastructure.vector_stores import EngineSpec, VectorStoreSpec

PAGE = Path(__file__).resolve().parents[1] / "docs/vector-stores.md"
BEGIN = "<!-- made by tests/capability_table.py -->\n"
END = "<!-- end -->\n"
HEAD = ("kind", "extra", "runs", "nearest vectors", "words (sparse, hybrid)", "filters", "several processes",
        "several machines", "erases bytes", "tested with")  # fmt: skip


def specs() -> list[Any]:
    """Return the stores in the order of the union."""
    return list(get_args(get_args(VectorStoreSpec)[0]))


def table() -> str:
    """Return the table as Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *map(cells, specs())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cells(spec: Any) -> tuple[str, ...]:
    """Return one store's row."""
    can = spec.capabilities
    extra = f"`{spec.extra}`" if issubclass(spec, EngineSpec) else "none"
    words = {"engine": "yes", "this package": "yes, computed here", "none": "no: `mode: dense` only"}[can.sparse]
    flags = ("yes" if flag else "no" for flag in (can.several_processes, can.several_machines, can.erases_bytes))
    return (f"`{spec.model_fields['kind'].default}`", extra, can.runs, can.dense, words, can.filters, *flags,
            can.tested_with)  # fmt: skip


def written() -> str:
    """Return the table that the page has."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
