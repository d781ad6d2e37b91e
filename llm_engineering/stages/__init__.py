"""The stages of the pipelines as plain functions: open the adapters, call one use-case, close them.

ZenML steps wrap these one by one, and `llm_engineering.plain` chains them without ZenML: same functions, same index.
"""

from llm_engineering.stages.batch import answer_questions, plan_questions, write_answers
from llm_engineering.stages.dataset import collect_questions, estimate_dataset, keep_dataset, mine_pairs
from llm_engineering.stages.describing import page_parts
from llm_engineering.stages.etl import crawl_links, get_or_create_user, ingest
from llm_engineering.stages.evaluation import ask_index, compare_evaluations, read_questions
from llm_engineering.stages.features import chunk, clean, embed, estimate, load, plan, tokenize
from llm_engineering.stages.graph import build_graph
from llm_engineering.stages.instructions import collect_drafts, estimate_drafts, keep_rows, sift_drafts
from llm_engineering.stages.judging import evaluate_candidate, judge_candidate
from llm_engineering.stages.judging_searches import BASE
from llm_engineering.stages.llm_answers import answer_held_out
from llm_engineering.stages.llm_evaluation import (
    compare_answers,
    estimate_judging,
    judge_held_out,
    measure_held_out,
    plan_llm_evaluation,
)
from llm_engineering.stages.pretraining import plan_pretraining, pretrain_model, register_pretrained
from llm_engineering.stages.promotion import (
    PRODUCTION,
    check_promotion,
    find_candidate,
    makes_index,
    name_candidate,
    plan_index,
    promote,
    rollback,
    way_back,
)
from llm_engineering.stages.runs import check, fail_run, open_run, refuse_if_away, refuse_if_held, report, run_of
from llm_engineering.stages.searching import search
from llm_engineering.stages.training import estimate_training, plan_training, register_model, train_model
from llm_engineering.stages.trying import try_source
from llm_engineering.stages.tuning import tune_retrieval
from llm_engineering.stages.versions import activate, evaluate, verify

__all__ = [
    "BASE",
    "PRODUCTION",
    "activate",
    "answer_held_out",
    "answer_questions",
    "ask_index",
    "build_graph",
    "check",
    "check_promotion",
    "chunk",
    "clean",
    "collect_drafts",
    "collect_questions",
    "compare_answers",
    "compare_evaluations",
    "crawl_links",
    "embed",
    "estimate",
    "estimate_dataset",
    "estimate_drafts",
    "estimate_judging",
    "estimate_training",
    "evaluate",
    "evaluate_candidate",
    "fail_run",
    "find_candidate",
    "get_or_create_user",
    "ingest",
    "judge_candidate",
    "judge_held_out",
    "keep_dataset",
    "keep_rows",
    "load",
    "makes_index",
    "measure_held_out",
    "mine_pairs",
    "name_candidate",
    "open_run",
    "page_parts",
    "plan",
    "plan_index",
    "plan_llm_evaluation",
    "plan_pretraining",
    "plan_questions",
    "plan_training",
    "pretrain_model",
    "promote",
    "read_questions",
    "refuse_if_away",
    "refuse_if_held",
    "register_model",
    "register_pretrained",
    "report",
    "rollback",
    "run_of",
    "search",
    "sift_drafts",
    "tokenize",
    "train_model",
    "try_source",
    "tune_retrieval",
    "verify",
    "way_back",
    "write_answers",
]
