"""How many real HTML pages a second become documents: read, parsed in the confined child, extracted, kept.

    apt-get install postgresql-doc-15
    python -m benchmarks.extraction [--pages 1000] [--docs FOLDER]

It runs pipeline `digital_data_etl` over copies of the pages, as a process of its own, and prints what the report says:
the seconds of the source, without imports.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCS = Path("/usr/share/doc/postgresql-doc-15/html")
GOAL = 50


def main() -> int:
    """Extract, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--docs", type=Path, default=DOCS)
    arguments = parser.parse_args()
    pages = sorted(arguments.docs.glob("*.html"))[: arguments.pages]
    if not pages:
        sys.exit(f"{arguments.docs} has no HTML pages; type: apt-get install postgresql-doc-15")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "pages")
        root.mkdir()
        for page in pages:
            shutil.copy(page, root)
        source = json.dumps([{"kind": "files", "name": "pages", "root": str(root)}])
        command = [sys.executable, "-m", "tools.run", "digital_data_etl", "--plain", "--json"]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--set", f"ingest.sources={source}"],
            env={**os.environ, "LLM_ENGINEERING_HOME": str(Path(folder, "home"))},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        took = time.perf_counter() - began
    report = json.loads(done.stdout.splitlines()[-1])
    seconds = sum(source["seconds"] for source in report["sources"])
    print(
        f"{report['found']} pages, {report['new']} documents, {report['rejected']} rejected: {seconds:.1f} s, "
        f"{report['found'] / seconds:.0f} pages/s (goal {GOAL}); the process in all {took:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
