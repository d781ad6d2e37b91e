"""The stages of the pipelines as plain functions: open the adapters, call one use-case, close them.

ZenML steps wrap these one by one, and `llm_engineering.plain` chains them without ZenML: same functions, same index.
"""

from llm_engineering.stages.batch import answer_questions, plan_questions, write_answers
from llm_engineering.stages.etl import crawl_links, get_or_create_user, ingest
from llm_engineering.stages.features import chunk, clean, embed, estimate, load, plan, tokenize
from llm_engineering.stages.runs import check, fail_run, open_run, refuse_if_held, report, run_of
from llm_engineering.stages.searching import search
from llm_engineering.stages.tuning import tune_retrieval
from llm_engineering.stages.versions import activate, evaluate, verify

__all__ = [
    "activate",
    "answer_questions",
    "check",
    "chunk",
    "clean",
    "crawl_links",
    "embed",
    "estimate",
    "evaluate",
    "fail_run",
    "get_or_create_user",
    "ingest",
    "load",
    "open_run",
    "plan",
    "plan_questions",
    "refuse_if_held",
    "report",
    "run_of",
    "search",
    "tokenize",
    "tune_retrieval",
    "verify",
    "write_answers",
]
