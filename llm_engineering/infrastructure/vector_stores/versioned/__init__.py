"""Versions, generations and publication, written once, for any engine that keeps rows.

An engine is a folder beside this package: a class that implements the port `Engine`, and a spec (`EngineSpec` or
`ServerSpec`) that opens it. Everything that readers and writers are promised comes from here: `store.py` has the verbs
of the port `VectorStore`, `books.py` what they rest on; `catalog.py` and `index.py` are both on an engine. Importing
this is cheap: the index (`index.py`) needs NumPy, and is imported when one is opened.
"""

from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.spec import EngineSpec, ServerSpec

__all__ = ["Capabilities", "Engine", "EngineSpec", "Row", "ServerSpec"]
