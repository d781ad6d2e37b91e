"""Run a pipeline: `python -m tools.run NAME --config FILE`."""

import argparse
import sys
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import UsageError
from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.config import Config
    from tools.outcome import Outcome

# Every pipeline: its name, its configuration in `llm_engineering.config`, and what it does. The function of that name
# is in `pipelines` (for ZenML) and in `llm_engineering.plain` (for plain Python).
PIPELINES = {
    "feature": ("FeatureConfig", "sources → warehouse → feature store (the main job)"),
    "digital_data_etl": ("DigitalDataEtlConfig", "sources → warehouse"),
    "feature_engineering": ("FeatureEngineeringConfig", "warehouse → feature store"),
    "training": ("TrainingConfig", "data set → version of a model in the registry"),
    "pretraining": ("PretrainingConfig", "index → a GPT that learnt from its documents, in the registry"),
    "promotion": ("PromotionConfig", "candidate → its index → evaluation → gate → production"),
    "dataset": ("DatasetConfig", "index, questions → pairs to train a retriever with"),
    "instruct_dataset": ("InstructDatasetConfig", "index → instructions with answers, for a language model"),
    "preference_dataset": ("PreferenceDatasetConfig", "index → pairs of a better and a worse answer"),
    "batch_inference": ("BatchInferenceConfig", "table of questions → table of answers"),
    "evaluation": ("EvaluationConfig", "questions with known answers → how well an index finds these"),
    "llm_evaluation": ("LlmEvaluationConfig", "held-out instructions → how language models answer these, compared"),
}


def main() -> int:
    """Parse the arguments, run the pipeline, print its report."""
    arguments = _parser().parse_args()

    from llm_engineering.application.reporting import died
    from llm_engineering.domain.errors import LLMEngineeringError

    try:
        return _run(arguments)
    except LLMEngineeringError as error:
        if arguments.json:
            # Also what failed before a run was opened ends in a report, for programs that read the last line.
            print(died(arguments.pipeline, 0, "run", type(error).__name__, str(error)).model_dump_json())
        raise


def _run(arguments: argparse.Namespace) -> int:
    from loguru import logger

    from llm_engineering import stages
    from llm_engineering.forgetfulness import without_forgotten
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging()
    name = arguments.pipeline.replace("-", "_")
    config = _configured(name, arguments)
    if arguments.dry_run:
        from tools.dry_run import describe

        print(describe(name, config, as_json=arguments.json))
        return OK
    config = without_forgotten(config)
    stages.refuse_if_held(config.holds)
    stages.refuse_if_away(config)
    if arguments.start and (report := taken_in(arguments.start, config)) is not None:
        return _print(report, as_json=arguments.json)
    if arguments.plain:
        from tools.plain_run import run_pipeline
    else:
        from tools.zenml_run import run_pipeline
    outcome = run_pipeline(name, config)
    if outcome.report.page:
        logger.info("the report of this run: {}", outcome.report.page)
    return _print(outcome, as_json=arguments.json)


def _configured(name: str, arguments: argparse.Namespace) -> "Config":
    """Return the configuration of a pipeline, with what the command line says besides."""
    from llm_engineering import config as configuration
    from llm_engineering.config import read_config

    model: type[Config] = getattr(configuration, PIPELINES[name][0])
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(model, path, arguments.overrides).resolved()
    if arguments.no_cache:
        config = config.model_copy(update={"enable_cache": False})
    if arguments.allow_mass_delete:
        config = with_mass_delete(config)
    if arguments.strict:
        config = config.model_copy(update={"limits": config.limits.model_copy(update={"rejections": 0})})
    return config


def taken_in(place: str, config: "Config") -> "Outcome | None":
    """Store the documents of an export, which the run then starts from; one of features becomes the index as it is.

    Raises:
        UsageError: this pipeline starts from no export, or there is none.
    """
    from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig
    from llm_engineering.lake import take_in
    from tools.outcome import Outcome

    if not isinstance(config, FeatureEngineeringConfig) or isinstance(config, FeatureConfig):
        raise UsageError("--from is for the pipeline feature_engineering, which reads from no source")
    report = take_in(place, config.load, config.select.sources)
    return Outcome(report) if report is not None else None


def with_mass_delete(config: "Config") -> "Config":
    """Return the configuration with mass deletions allowed, if it reads from sources at all."""
    from llm_engineering.config import DigitalDataEtlConfig

    if not isinstance(config, DigitalDataEtlConfig):
        return config
    return config.model_copy(update={"ingest": config.ingest.model_copy(update={"allow_mass_delete": True})})


def _print(outcome: "Outcome", *, as_json: bool) -> int:
    from llm_engineering.application.text.visible import visible
    from llm_engineering.domain.secrets import redact

    if outcome.error:
        print(f"failed: {redact(outcome.error)}", file=sys.stderr, flush=True)
    report = outcome.report
    print(report.model_dump_json() if as_json else visible(report.summary()), flush=True)
    return outcome.exit_code


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<22}{purpose}" for name, (_, purpose) in PIPELINES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tools.run",
        description="Run a pipeline.",
        epilog=f"pipelines:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [*PIPELINES, *(name.replace("_", "-") for name in PIPELINES if "_" in name)]
    parser.add_argument("pipeline", metavar="NAME", choices=known, help="one of the pipelines below")
    add_config_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument("--no-cache", action="store_true", help="let ZenML run every step, whatever its cache holds")
    parser.add_argument("--strict", action="store_true", help="a rejected document fails the run")
    parser.add_argument(
        "--allow-mass-delete", action="store_true", help="let sources lose more than a fifth of their documents"
    )
    parser.add_argument(
        "--from",
        dest="start",
        default="",
        metavar="PLACE",
        help="feature_engineering: an export to start from, of documents or of features; a folder or s3://BUCKET/PREFIX",
    )
    parser.add_argument("--plain", action="store_true", help="run in plain Python, without ZenML")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, as the last line")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
