"""A candidate into production, with the index that it makes, if it proves itself."""

from typing import Any

from zenml import pipeline

from llm_engineering import stages
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.features import chunk, clean, embed, load, tokenize, verify
from steps.promotion import evaluate_candidate, find_candidate, judge_candidate, plan_index, promote
from steps.registry import show_model
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def promotion(config: PromotionConfig) -> None:
    """Build the candidate's index beside the active one, evaluate both, judge, and switch model and index together."""
    config, built = stages.name_candidate(config.resolved())
    run = open_run("promotion", redacted(config.model_dump(mode="json")), list(config.holds))
    candidate = find_candidate(config, run)
    made: dict[str, Any] = {}
    if stages.makes_index(config):
        plan, model, documents = plan_index(built, run, after=[candidate.invocation_id])
        cleaned = clean(documents, built.cleaning, built.executor)
        chunks = chunk(cleaned, model, built.chunking, built.embedding, built.executor)
        tokens = tokenize(chunks, model, built.tokenizing, built.embedding, built.executor)
        vectors = embed(chunks, built.embedding, run, built.executor)
        loaded = load(plan, cleaned, chunks, tokens, vectors, built.load)
        made = {"plan": plan, "loaded": loaded, "verified": verify(plan, loaded, built.load)}
    asked = {name: made[name] for name in ("plan", "verified") if made}
    evidence = evaluate_candidate(config, candidate, run, **asked)
    planned = {"plan": made["plan"]} if made else {}
    verdict = judge_candidate(config, candidate, evidence, run, **planned)
    done = promote(config, candidate, verdict, run, **planned)
    shown = show_model(candidate, verdict, done)
    account = report("promotion", run, **made, promotion=done, output=shown)
    check(account, config.limits)
