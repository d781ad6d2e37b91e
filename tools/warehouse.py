"""Look into the warehouse: `python -m tools.warehouse list | show | rejections | retry | export | import`."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from llm_engineering.domain.counting import counted
from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded

COMMANDS = {
    "list": "list the documents, with how many each source has",
    "show": "print what is known of a document; --raw prints its text as it is stored",
    "rejections": "list what was refused and why, the newest first",
    "retry": "make the next run look again at what was refused",
    "export": "write documents to partitioned Parquet files with a manifest",
    "import": "store the documents of an export under the ids that they had",
}


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = _parser().parse_args()

    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    command: Callable[[argparse.Namespace], int] = globals()[f"_{arguments.command}"]
    return command(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.domain.users import user_named
    from llm_engineering.raw_documents import check_source

    check_source(arguments.source)
    user = user_named(arguments.user).id if arguments.user is not None else ""
    with Workspace().warehouse() as warehouse:
        counts = [count for count in warehouse.source_counts() if arguments.source in ("", count.source)]
        # One document a line, whatever their number: nothing is collected.
        for found in warehouse.listing(arguments.source, user):
            line = (
                f"{found.id}  {_plain(found.source)}  {found.format:<8} {found.characters:>9} characters  "
                f"version {found.version}, last run {found.last_run}  {_plain(found.uri)}"
                + (f"#{_plain(found.key)}" if found.key else "")
                + (f"  {_plain(found.title)!r}" if found.title else "")
            )
            print(_json({"document": asdict(found)}) if arguments.json else line)
    if arguments.json:
        print(_json({"sources": [asdict(count) for count in counts]}))
        return OK
    for count in counts:
        print(f"{_plain(count.source)}: {counted(count.live, 'document')}, {count.gone} gone from it")
    if not counts:
        print("the warehouse has no documents; `poetry poe run-feature-pipeline` reads some")
    return OK


def _show(arguments: argparse.Namespace) -> int:
    from llm_engineering import raw_documents

    if arguments.raw:
        text = raw_documents.text_of(arguments.document)
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode(errors="surrogatepass"))
        return OK
    found = raw_documents.document(arguments.document)
    if arguments.json:
        print(_json(found))
        return OK
    import yaml

    print(_plain(yaml.safe_dump(found, sort_keys=False, allow_unicode=True)).rstrip())
    return OK


def _rejections(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.raw_documents import check_source

    check_source(arguments.source)
    count = 0
    with Workspace().warehouse() as warehouse:
        for found in warehouse.refusals(arguments.source, arguments.reason):
            count += 1
            line = (
                f"run {found.run}, {found.at[:19] or 'unknown time'}  {_plain(found.source)}  {found.reason}  "
                f"{_plain(found.uri)}" + (f"#{_plain(found.key)}" if found.key else "") + f": {_plain(found.detail)}"
            )
            print(_json(asdict(found)) if arguments.json else line)
    if not count and not arguments.json:
        print("nothing was refused")
    return OK


def _retry(arguments: argparse.Namespace) -> int:
    from llm_engineering.raw_documents import retry

    count = retry(arguments.source, arguments.reason)
    plain = (
        f"looked at again by the next run: {counted(count, 'refused item')}" if count else "nothing to look at again"
    )
    print(_json({"items": count}) if arguments.json else plain)
    return OK


def _export(arguments: argparse.Namespace) -> int:
    from llm_engineering.raw_documents import export_documents

    cleaning = None
    if arguments.cleaned:
        from llm_engineering.config import FeatureConfig, read_config

        path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
        cleaning = read_config(FeatureConfig, path, arguments.overrides).cleaning
    manifest = export_documents(arguments.to, arguments.source, force=arguments.force, cleaning=cleaning)
    size = sum(file.bytes for file in manifest.files)
    made = f"{counted(manifest.documents, 'document')} of {counted(len(manifest.files), 'source')}"
    left_out = ", ".join(f"{count} {reason}" for reason, count in manifest.left_out.items())
    plain = f"{manifest.id}: {made}, {size} bytes in {arguments.to}" + (f"; left out: {left_out}" if left_out else "")
    print(manifest.model_dump_json(ensure_ascii=True) if arguments.json else plain)
    return OK


def _import(arguments: argparse.Namespace) -> int:
    from llm_engineering.raw_documents import import_documents

    report = import_documents(arguments.folder)
    print(report.model_dump_json() if arguments.json else str(report))
    return OK


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _plain(text: str) -> str:
    """Return a text of a stranger as one that a terminal shows and does not obey."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.warehouse", description="Look into the warehouse.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("--json", action="store_true", help="print JSON, one object a line")
        if name in ("list", "rejections", "retry", "export"):
            command.add_argument("--source", default="", metavar="NAME", help="only of this source")
        if name in ("rejections", "retry"):
            command.add_argument("--reason", default="", metavar="CODE", help="only for this reason, such as http_404")
        if name == "list":
            command.add_argument("--user", default=None, metavar="NAME", help="only of this author, by full name")
        if name == "show":
            command.add_argument("document", metavar="URI|ID", help="a URI, a path, or the id of a document")
            command.add_argument("--raw", action="store_true", help="print the text alone, byte for byte")
        if name == "export":
            command.add_argument(
                "--to", required=True, metavar="PLACE", help="a new or an empty folder, or s3://BUCKET/PREFIX"
            )
            command.add_argument("--cleaned", action="store_true", help="clean the texts, as the configuration says")
            add_config_options(command)
            command.add_argument("--force", action="store_true", help="replace an older export in the folder")
        if name == "import":
            command.add_argument(
                "--from", dest="folder", required=True, metavar="PLACE", help="the folder or s3://… of the export"
            )
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
