"""Feature versions as data: `python -m tools.features export | import | diff`."""

import argparse
import sys
from typing import TYPE_CHECKING

from llm_engineering.domain.counting import counted
from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.config import Load


def main() -> int:
    """Parse the arguments, do it, print what was done."""
    arguments = _parser().parse_args()

    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging()
    return int(arguments.verb(arguments))


def _export(arguments: argparse.Namespace) -> int:
    from llm_engineering import feature_versions

    manifest = feature_versions.export_features(
        _load(arguments), arguments.to, arguments.version, force=arguments.force
    )
    if arguments.json:
        print(manifest.model_dump_json())
    else:
        size = sum(file.bytes for file in manifest.files)
        print(
            f"{manifest.id}: {counted(manifest.documents, 'document')}, {counted(manifest.chunks, 'chunk')}, "
            f"{size} bytes in {arguments.to}"
        )
    return OK


def _import(arguments: argparse.Namespace) -> int:
    from llm_engineering import feature_versions

    if not arguments.collection:
        arguments.collection = feature_versions.read_features(arguments.folder, verify=False).manifest.collection
    report = feature_versions.import_features(_load(arguments), arguments.folder)
    print(report.model_dump_json() if arguments.json else report.summary())
    return OK


def _diff(arguments: argparse.Namespace) -> int:
    from llm_engineering import feature_versions

    difference = feature_versions.compare_exports(arguments.left, arguments.right)
    print(difference.model_dump_json() if arguments.json else difference.summary())
    return OK


def _load(arguments: argparse.Namespace) -> "Load":
    """Return the section `load` of the configuration; a collection on the command line counts more."""
    from llm_engineering.config import FeatureConfig, read_config

    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    named = [f"load.collection={arguments.collection}"] if arguments.collection else []
    return read_config(FeatureConfig, path, [*arguments.overrides, *named]).load


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.features", description="Feature versions as data.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    export = _verb(verbs, "export", _export, "write an index version to partitioned Parquet files")
    export.add_argument("--version", default="", metavar="V", help="index version (default: the active one)")
    export.add_argument("--to", required=True, metavar="PLACE", help="a new or an empty folder, or s3://BUCKET/PREFIX")
    export.add_argument("--force", action="store_true", help="replace an older export in the folder")
    import_ = _verb(verbs, "import", _import, "build an index version from an export, and activate it")
    import_.add_argument("folder", metavar="PLACE", help="the folder or s3://BUCKET/PREFIX that it was exported to")
    for verb, which in ((export, "the configured one"), (import_, "the export's own")):
        verb.add_argument("--collection", default="", metavar="NAME", help=f"collection (default: {which})")
        add_config_options(verb)
    diff = _verb(verbs, "diff", _diff, "compare two exports")
    diff.add_argument("left", metavar="LEFT", help="folder or s3://… of the first")
    diff.add_argument("right", metavar="RIGHT", help="folder or s3://… of the second")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, purpose: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=purpose, description=purpose)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(verb=run)
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
