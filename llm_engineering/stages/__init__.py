"""The stages of the pipelines as plain functions: open the adapters, call one use-case, close them.

ZenML steps wrap these one by one, and `llm_engineering.plain` chains them without ZenML: same functions, same index.
"""

from llm_engineering.stages.batch import answer_questions, plan_questions, write_answers
from llm_engineering.stages.dataset import collect_questions, estimate_dataset, keep_dataset, mine_pairs
from llm_engineering.stages.etl import crawl_links, get_or_create_user, ingest
from llm_engineering.stages.features import chunk, clean, embed, estimate, load, plan, tokenize
from llm_engineering.stages.runs import check, fail_run, open_run, refuse_if_held, report, run_of
from llm_engineering.stages.searching import search
from llm_engineering.stages.versions import activate, evaluate, verify

__all__ = [
    "activate",
    "answer_questions",
    "check",
    "chunk",
    "clean",
    "collect_questions",
    "crawl_links",
    "embed",
    "estimate",
    "estimate_dataset",
    "evaluate",
    "fail_run",
    "get_or_create_user",
    "ingest",
    "keep_dataset",
    "load",
    "mine_pairs",
    "open_run",
    "plan",
    "plan_questions",
    "refuse_if_held",
    "report",
    "run_of",
    "search",
    "tokenize",
    "verify",
    "write_answers",
]
