"""Ask a question: `python -m tools.ask "QUESTION"`.

Exit codes: 0 for an answer, and also when the sources do not answer: the text says so, and `outcome` in the JSON is
`no_answer`. 1: no answer came about. 2: the question or the configuration is wrong.
"""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.answers import Answer, Citation, Finished

LONGEST = 20_000

# What a reader should know of an answer, by its flags; those that are not here have a sentence among the warnings.
NOTES = {
    "injection": "a passage contains instructions to the assistant; they were not followed",
    "unsupported": "no citation of the model's answer could be verified",
    "cut": "the answer reached its limit of tokens and ends early",
    "llm_failed": "the language model failed; these are quotes in place of its words",
    "leak": "what repeated the instructions to the assistant was taken out",
    "no_receipt": "no receipt could be kept; this answer cannot be replayed",
}


def main() -> int:
    """Parse the arguments, ask, print the answer with its sources."""
    arguments = _parser().parse_args()

    from llm_engineering.application.retrieval import parse_filters
    from llm_engineering.application.text.visible import visible
    from llm_engineering.config import AssistantConfig, read_config
    from llm_engineering.domain.answers import Question
    from llm_engineering.domain.conditions import condition_of
    from llm_engineering.domain.errors import UsageError
    from llm_engineering.infrastructure.observability.logs import configure_logging
    from llm_engineering.stages.answering import ask

    configure_logging("WARNING")
    text = arguments.question.strip()
    if not text:
        raise UsageError("the question is empty; type what you want to know")
    if len(text) > LONGEST:
        raise UsageError(f"the question has {len(text):,} characters; ask something of at most {LONGEST:,}")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(AssistantConfig, path, arguments.overrides)
    wanted = condition_of(parse_filters(arguments.filter)) if arguments.filter else None
    finished = ask(config, Question(text=text, filter=wanted, k=arguments.k, llm=arguments.llm))
    print(_as_json(finished) if arguments.json else visible(_for_people(finished.answer)))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.ask", description="Ask the index a question.")
    parser.add_argument("question", help="what you want to know")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="FILTER",
        help="only passages that fulfil it, as in tools.search",
    )
    parser.add_argument("--llm", metavar="NAME", help="one of the configured models, or `extractive`")
    parser.add_argument("-k", "--k", type=_positive, metavar="K", help="passages to answer from")
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="print answer and hits as JSON")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of passages; use 1 to 100")
    return int(text)


def _as_json(finished: "Finished") -> str:
    hits = [asdict(hit) | {"metadata": dict(hit.metadata), "scores": dict(hit.scores)} for hit in finished.hits]
    return json.dumps({**finished.answer.model_dump(mode="json"), "hits": hits}, ensure_ascii=False)


def _for_people(answer: "Answer") -> str:
    lines = [answer.text, ""]
    lines += [line for citation in answer.citations for line in _source(citation)]
    lines += [f"warning: {warning}" for warning in answer.warnings]
    flags = dict.fromkeys(flag.partition(":")[0] for flag in answer.flags)
    lines += [f"note: {NOTES[flag]}" for flag in flags if flag in NOTES]
    return "\n".join([*lines, f"answer {answer.id}"])


def _source(citation: "Citation") -> list[str]:
    quote = " ".join(citation.quote.split())
    verdict = "" if citation.verdict == "found" else f" ({citation.verdict})"
    place = f"{citation.uri} [{citation.start}:{citation.end}]"
    return [f"[{citation.number}] {place}{verdict}", f"    “{quote[:200]}{'…' if len(quote) > 200 else ''}”"]


if __name__ == "__main__":
    sys.exit(guarded(main))
