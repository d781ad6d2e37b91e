"""Look at this installation: `python -m tools.doctor` says what is there, what is missing, and what to type.

Nothing is changed, no model is loaded. Exit code 0 if nothing needed is missing, else 1.
"""

import argparse
import json
import sys

from tools.command_line import DEFAULT_CONFIG, FAILED, OK, add_config_options, guarded


def main() -> int:
    """Parse the arguments, look, and say what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()

    from llm_engineering.checkup import checkup
    from llm_engineering.domain.checkup import all_pass
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("ERROR")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    checks = checkup(path, arguments.overrides)
    passes = all_pass(checks)
    if arguments.json:
        print(json.dumps({"ready": passes, "checks": [check.model_dump(mode="json") for check in checks]}))
    else:
        print("\n".join(map(str, checks)))
        needed = [check.name for check in checks if not check.passes]
        print("\nNothing needed is missing." if passes else f"\nTo be mended: {', '.join(needed)}.")
    return OK if passes else FAILED


if __name__ == "__main__":
    sys.exit(guarded(main))
