"""Where documents come from. Each kind is a light spec with `open(context)` above its adapter, in one file.

A new kind is one file, its name in this union, and one line in the contract test (docs/how-to-add/source.md).
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.feed import Feed
from llm_engineering.infrastructure.sources.files import Files
from llm_engineering.infrastructure.sources.git import Git
from llm_engineering.infrastructure.sources.json_endpoint import JsonEndpoint
from llm_engineering.infrastructure.sources.mailbox import Mailbox
from llm_engineering.infrastructure.sources.memory import Memory
from llm_engineering.infrastructure.sources.objects import Objects
from llm_engineering.infrastructure.sources.own_loader import PythonLoader
from llm_engineering.infrastructure.sources.pdf import Pdf
from llm_engineering.infrastructure.sources.site import Site
from llm_engineering.infrastructure.sources.sitemap import Sitemap
from llm_engineering.infrastructure.sources.sql import Sql
from llm_engineering.infrastructure.sources.table import Table
from llm_engineering.infrastructure.sources.web import Web

SourceSpec = Annotated[
    Files
    | Pdf
    | Git
    | JsonEndpoint
    | Table
    | Sql
    | Web
    | Sitemap
    | Site
    | Feed
    | Mailbox
    | Objects
    | PythonLoader
    | Memory,
    Field(discriminator="kind"),
]

__all__ = [
    "Feed",
    "Files",
    "Git",
    "JsonEndpoint",
    "Mailbox",
    "Memory",
    "Objects",
    "Pdf",
    "PythonLoader",
    "Site",
    "Sitemap",
    "SourceContext",
    "SourceSpec",
    "Sql",
    "Table",
    "Web",
]
