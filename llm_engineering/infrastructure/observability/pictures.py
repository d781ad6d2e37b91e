"""Tables and pictures for dashboards: CSV and PNG, which can be shown without running anything."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_CELL = 300


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV with a header; columns are the keys of the first row, long values are cut."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def bars(counts: Mapping[str, int], title: str, unit: str) -> bytes:
    """Return a bar for each count, with its number, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.bar_label(axes.bar(list(counts), list(counts.values()), color="#2f6fed"))
    axes.set(title=title, ylabel=unit)
    return _png(figure)


def intervals(estimates: Mapping[str, tuple[float, float, float]], title: str, unit: str) -> bytes:
    """Return a bar for each estimate (value, low, high) between 0 and 1, with its interval, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(8.0, 0.7 * len(estimates)), 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    values = [value for value, _, _ in estimates.values()]
    below = [max(0.0, value - low) for value, low, _ in estimates.values()]
    above = [max(0.0, high - value) for value, _, high in estimates.values()]
    axes.bar(list(estimates), values, yerr=[below, above], capsize=3, color="#2f6fed", ecolor="#1c2a4a")
    axes.tick_params(axis="x", labelrotation=60)
    axes.set(title=title, ylabel=unit, ylim=(0, 1.02))
    return _png(figure)


def curves(lines: Mapping[str, Sequence[float]], title: str, across: str, unit: str) -> bytes:
    """Return lines over 1, 2, 3 …, with values between 0 and 1, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, values in lines.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=name)
    axes.set(title=title, xlabel=across, ylabel=unit, ylim=(0, 1.02))
    if len(lines) > 1:
        axes.legend()
    return _png(figure)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], title: str, along: str) -> bytes:
    """Return a line for each series of (x, y), each in a field of its own below the last one, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.5 * max(1, len(series))), dpi=120, layout="constrained")
    fields = figure.subplots(max(1, len(series)), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, points) in zip(fields, series.items(), strict=False):
        axes.plot([x for x, _ in points], [y for _, y in points], color="#2f6fed", marker=".")
        axes.set(ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
    fields[0].set(title=title)
    fields[-1].set(xlabel=along)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def histogram(values: Sequence[int], title: str, unit: str) -> bytes:
    """Return a histogram of at least one value as PNG."""
    # Drawn on a figure of its own, without pyplot: that would keep every figure and look for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.hist(values, bins=min(40, max(values) - min(values) + 1), color="#2f6fed")
    axes.set(title=title, xlabel=unit, ylabel="count")
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
