"""Say where something comes from and what was made of it: `python -m tools.lineage ID_OR_NAME`.

It knows chunks, documents, URIs, sources, users, runs, index versions (collection/v1), exports, data sets and models.
"""

import argparse
import json
import sys
from collections.abc import Iterator

from tools.command_line import OK, guarded

# So many items of a list are shown to people; --json shows all.
SHOWN = 20


def main() -> int:
    """Parse the arguments, look it up, print it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.lineage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="ID_OR_NAME", help="an id, a URI, a name, a run's number, a version")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()

    from llm_engineering.application.text.visible import visible
    from llm_engineering.infrastructure.observability.logs import configure_logging
    from llm_engineering.lineage import lineage

    configure_logging("WARNING")
    answer = lineage(arguments.name)
    print(json.dumps(answer) if arguments.json else visible("\n".join(_lines(answer))))
    return OK


def _lines(value: object, indent: str = "") -> Iterator[str]:
    """Yield a JSON-like value as indented lines."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (key, item) in enumerate(items):
        label = f"{key}:" if isinstance(value, dict) else "-"
        if number == SHOWN and isinstance(value, list):
            yield f"{indent}… and {len(value) - SHOWN} more (--json shows all)"
            return
        if key == "configuration":
            yield f"{indent}{label} {len(item)} sections (--json shows them)"
        elif isinstance(item, dict | list) and item:
            yield f"{indent}{label}"
            yield from _lines(item, indent + "  ")
        else:
            shown = {"[]": "none", "{}": "none", "None": "none", "": "none", "True": "yes", "False": "no"}
            yield f"{indent}{label} {shown.get(str(item), item)}"


if __name__ == "__main__":
    sys.exit(guarded(main))
