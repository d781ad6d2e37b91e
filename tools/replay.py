"""Search again as for a former answer, and compare: `python -m tools.replay ANSWER_ID`.

Exit codes: 0: the same passages with the same scores. 1: something is missing or differs; it is named. 2: there is no
such answer.
"""

import argparse
import sys

from tools.command_line import DEFAULT_CONFIG, FAILED, OK, add_config_options, guarded


def main() -> int:
    """Parse the arguments, search again, print what is the same and what is not."""
    arguments = _parser().parse_args()

    from llm_engineering.config import AssistantConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging
    from llm_engineering.stages.answering import replay

    configure_logging("WARNING")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    found = replay(read_config(AssistantConfig, path, arguments.overrides), arguments.answer_id)
    if arguments.json:
        print(found.model_dump_json())
    elif found.same:
        print(f"the same {len(found.hits)} passages with the same scores")
    else:
        print("\n".join(found.differences))
    return OK if found.same else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.replay", description="Search again as for a former answer.")
    parser.add_argument("answer_id", help="the id that came with the answer")
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
