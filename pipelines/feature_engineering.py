"""The document warehouse into the feature store: only what changed, verified before it is served."""

from collections.abc import Sequence
from typing import Any

from zenml import pipeline

from llm_engineering.bootstrap import Workspace, pinned
from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.features import activate, build_graph, chunk, clean, embed, evaluate, load, plan, tokenize, verify
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def feature_engineering(config: FeatureEngineeringConfig | None = None) -> None:
    """Bring the index into agreement with the warehouse."""
    config = pinned((config or FeatureEngineeringConfig()).resolved(), Workspace().home)
    run = open_run("feature_engineering", redacted(config.model_dump(mode="json")), list(config.holds))
    made = fill_feature_store(config, config.select.sources, run)
    account = report("feature_engineering", run, config=config, **made)
    check(account, config.limits)


def fill_feature_store(
    config: FeatureEngineeringConfig, sources: Sequence[str] | None, run: Any, after: Sequence[str] = ()
) -> dict[str, Any]:
    """Add the steps from the plan to the activation; return their outputs by the name that `report` knows them by."""
    todo, model, documents = plan(config, list(sources) if sources is not None else None, run, after=list(after))
    cleaned = clean(documents, config.cleaning, config.executor)
    chunks = chunk(cleaned, model, config.chunking, config.embedding, config.executor)
    tokens = tokenize(chunks, model, config.tokenizing, config.embedding, config.executor)
    vectors = embed(chunks, config.embedding, run, config.executor)
    loaded = load(todo, cleaned, chunks, tokens, vectors, config.load)
    verified = verify(todo, loaded, config.load)
    made = {"plan": todo, "loaded": loaded, "verified": verified}
    if config.gate.questions:
        made["evaluated"] = evaluate(todo, verified, config)
    first = {"evaluated": made["evaluated"]} if "evaluated" in made else {}
    if config.graph:
        first["graph"] = build_graph(todo, verified, config)
    version = activate(todo, verified, config.load, **first)
    return {**made, "index_version": version}
