"""Look after the index: `python -m tools.index verify | repair | versions | activate | rollback | diff`."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tools.command_line import DEFAULT_CONFIG, FAILED, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.config import FeatureConfig

COMMANDS = {
    "verify": "compare warehouse, ledger and store, point by point; exit code 1 if they differ",
    "repair": "mend exactly what is wrong; what has a vector is not embedded again",
    "versions": "list the index versions",
    "activate": "let searches see a version as it was last published",
    "rollback": "let searches see again what they saw before the last switch",
    "diff": "compare two versions: documents, chunks, settings",
}


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = _parser().parse_args()

    from llm_engineering.config import FeatureConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(FeatureConfig, path, arguments.overrides)
    command: Callable[[FeatureConfig, argparse.Namespace], int] = globals()[f"_{arguments.command}"]
    return command(config, arguments)


def _verify(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import maintenance

    report = maintenance.verify(config, arguments.version)
    print(report.model_dump_json() if arguments.json else report.summary())
    return OK if report.ready else FAILED


def _repair(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import maintenance

    report = maintenance.repair(config, arguments.version)
    print(report.model_dump_json() if arguments.json else report.summary())
    return OK


def _versions(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import maintenance

    found = maintenance.versions(config)
    if arguments.json:
        print(json.dumps([version.model_dump(mode="json") for version in found]))
        return OK
    for version in found:
        print(
            f"{'*' if version.active else ' '} {version.version:<5} {version.documents:>8} documents "
            f"{version.chunks:>9} chunks  {version.model}  {version.fingerprint[:12]}  "
            f"run {version.run}, {version.created_at[:19]}" + (f"  ({version.remark})" if version.remark else "")
        )
    if not found:
        print(f"collection {config.load.collection!r} has no version yet; run the feature pipeline first")
    return OK


def _activate(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import maintenance

    report = maintenance.activate(config, arguments.version)
    print(report.model_dump_json() if arguments.json else f"searches see {report.index_version} from now on")
    return OK


def _rollback(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import maintenance

    report = maintenance.rollback(config)
    print(report.model_dump_json() if arguments.json else f"searches see {report.index_version} again from now on")
    return OK


def _diff(config: "FeatureConfig", arguments: argparse.Namespace) -> int:
    from llm_engineering import feature_versions

    difference = feature_versions.compare_versions(config.load, arguments.left, arguments.right)
    print(difference.model_dump_json() if arguments.json else difference.summary())
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.index", description="Look after the index.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == "activate":
            command.add_argument("version", metavar="VERSION", help="for example v2")
        elif name == "diff":
            command.add_argument("left", metavar="VERSION", help="for example v1")
            command.add_argument("right", metavar="VERSION", help="for example v2")
        elif name in ("verify", "repair"):
            command.add_argument("--version", metavar="VERSION", help="another version than the active one")
        add_config_options(command)
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
