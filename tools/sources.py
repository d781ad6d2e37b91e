"""Try a source before it is configured: `python -m tools.sources try URL_OR_PATH`. Nothing is written."""

import argparse
import json
import sys
from collections import Counter
from typing import Any

from llm_engineering.domain.counting import counted
from tools.command_line import DEFAULT_CONFIG, FAILED, OK, add_config_options, guarded


def main() -> int:
    """Parse the arguments, read the source, print what it would yield."""
    arguments = _parser().parse_args()

    from llm_engineering import stages
    from llm_engineering.application.text.visible import visible
    from llm_engineering.config import FeatureConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(FeatureConfig, path, arguments.overrides)
    preview = stages.try_source(config, arguments.place, _settings(arguments), arguments.limit)
    if arguments.json:
        print(json.dumps(preview.model_dump(mode="json"), ensure_ascii=False))
    else:
        print(visible(_for_people(preview, arguments.characters)))
    return OK if preview.documents or not preview.problems else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.sources", description="Look at sources.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    purpose = "show what a source would yield: titles, texts, chunks, rejections; nothing is written"
    verb = verbs.add_parser("try", help=purpose, description=purpose)
    verb.add_argument(
        "place",
        metavar="URL_OR_PATH",
        help="a file, folder, repository, page, sitemap, feed, table, mailbox, s3://…; or the name of a source in the "
        "configuration",
    )
    verb.add_argument("--kind", default="", help="the kind of source (default: told from the address)")
    verb.add_argument(
        "--with",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the source, for example template='{{ name }}'; values are YAML; repeatable",
    )
    verb.add_argument("--limit", type=_positive, default=5, metavar="N", help="documents to read (default: 5)")
    verb.add_argument("--characters", type=_positive, default=300, metavar="N", help="of each text (default: 300)")
    verb.add_argument("--json", action="store_true", help="print all of it as JSON")
    add_config_options(verb)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; use 1 or more")
    return int(text)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    import yaml

    from llm_engineering.domain.errors import UsageError

    settings: dict[str, Any] = {"kind": arguments.kind} if arguments.kind else {}
    for given in arguments.settings:
        name, equals, value = given.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--with {given!r}: write KEY=VALUE, for example --with max_pages=20")
        try:
            settings[name.strip()] = yaml.safe_load(value) if "{{" not in value else value
        except yaml.YAMLError as error:
            raise UsageError(f"--with {given!r}: the value is no YAML: {error}") from None
    return settings


def _for_people(preview: Any, characters: int) -> str:
    lines = [f"{preview.source} (kind: {preview.kind})"]
    for document in preview.documents:
        text = " ".join(document.text.split())
        lines += ["", f"■ {document.title}", f"  {document.uri}{' · ' + document.key if document.key else ''}"]
        if document.metadata:
            lines.append("  " + ", ".join(f"{name}: {value}" for name, value in document.metadata.items())[:200])
        lines.append(f"  {text[:characters]}{'…' if len(text) > characters else ''}")
        lines.append(
            f"  {document.format}, {len(document.text):,} characters, {counted(len(document.chunks), 'chunk')}"
        )
    for problem in preview.problems:
        lines += ["", f"✗ {problem.reason}: {problem.uri}", f"  {problem.detail}"]
    reasons = Counter(problem.reason for problem in preview.problems)
    found = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "no problem"
    more = "; there is more, see --limit" if preview.more else ""
    return "\n".join(
        [*lines, "", f"{counted(len(preview.documents), 'document')}, {found}, {preview.seconds:.1f} s{more}"]
    )


if __name__ == "__main__":
    sys.exit(guarded(main))
