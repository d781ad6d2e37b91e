"""The entity graph of a corpus: found by rules, without a language model; searched one step from what was found."""

from llm_engineering.application.graph.building import Graph, build
from llm_engineering.application.graph.searching import GraphView
from llm_engineering.application.graph.settings import EntityGraph

__all__ = ["EntityGraph", "Graph", "GraphView", "build"]
