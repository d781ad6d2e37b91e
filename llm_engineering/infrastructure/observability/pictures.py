"""Self-contained HTML pictures of data sets and reports, for dashboards. Every value is escaped; nothing is fetched."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 1rem; color: #1f2933; background: #fff; }
h1 { font-size: 1.1rem; } h2 { font-size: 1rem; margin-top: 1.5rem; }
dl { display: grid; grid-template-columns: max-content auto; gap: .1rem 1rem; } dt { color: #616e7c; } dd { margin: 0; }
table { border-collapse: collapse; } th { text-align: left; color: #616e7c; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e4e7eb; vertical-align: top; max-width: 40rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def page(title: str, facts: Mapping[str, object], *sections: str) -> str:
    """Return an HTML page: a title, a list of facts, and the sections below it."""
    listed = "".join(f"<dt>{escape(str(name))}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    return (
        f"<!doctype html><html><head><meta charset='utf-8'><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1><dl>{listed}</dl>{''.join(sections)}</body></html>"
    )


def table(heading: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return a section with one line for each row; columns are the keys of the first row."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(_cell(value) for value in row.values()) + "</tr>" for row in rows)
    return f"<h2>{escape(heading)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def histogram(heading: str, values: Iterable[int], unit: str, bins: int = 24) -> str:
    """Return a section with a bar for each of at most `bins` equal ranges between 0 and the greatest value."""
    numbers = list(values)
    if not numbers:
        return ""
    width = max(1, -(-(max(numbers) + 1) // bins))
    counts = [0] * (max(numbers) // width + 1)
    for number in numbers:
        counts[number // width] += 1
    bars = "".join(_bar(position, count, max(counts), width, unit) for position, count in enumerate(counts))
    labels = "".join(
        f"<text x='{position * 26}' y='175' font-size='10' fill='#616e7c'>{position * width}</text>"
        for position in range(0, len(counts), 4)
    )
    size = f"width='{len(counts) * 26 + 30}' height='180'"
    return f"<h2>{escape(heading)}</h2><svg xmlns='http://www.w3.org/2000/svg' {size} role='img'>{bars}{labels}</svg>"


def _bar(position: int, count: int, highest: int, width: int, unit: str) -> str:
    height = round(140 * count / highest)
    tip = f"{position * width}–{(position + 1) * width - 1} {unit}: {count}"
    return (
        f"<rect x='{position * 26}' y='{160 - height}' width='22' height='{height}' fill='#2f6fed'>"
        f"<title>{escape(tip)}</title></rect>"
    )


def _cell(value: object) -> str:
    kind = " class='number'" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"<td{kind}>{_text(value)}</td>"


def _text(value: object, most: int = 300) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return escape(text if len(text) <= most else f"{text[:most]}…")
