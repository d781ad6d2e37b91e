"""The corpus into data sets for language models: collect drafts, sift them, keep the rows."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application.datasets.corpus import Corpus, corpus_of
from llm_engineering.application.datasets.mining import Searcher, plain
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.instructions.material import Ask, Inquiry, Material, Replies
from llm_engineering.application.instructions.mixing import instruction_of, mixed_in, preference_of
from llm_engineering.application.instructions.sieve import Sieve
from llm_engineering.application.instructions.sifting import sift_instructions, sift_preferences
from llm_engineering.application.instructions.writing import Answering, Asking, Reading
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.instructions import model_named, open_writer, read_general, texts_of, writing_estimates
from llm_engineering.bootstrap.training import embedder_of, splitter_of
from llm_engineering.config import InstructDatasetConfig, PreferenceDatasetConfig
from llm_engineering.config.instructions import section_of
from llm_engineering.domain.datasets import (
    DatasetCard,
    DatasetPlan,
    DatasetSifting,
    Split,
    WritingEstimate,
    documents_of,
)
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.instructions import Draft, Instruction, Preference
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.ports import Dataset, VectorIndex
from llm_engineering.domain.reports import DatasetReport
from llm_engineering.domain.value import identity
from llm_engineering.stages.dataset_cards import LanguageConfig, Rows, account_of, card_of

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

KIND = "dataset"  # of the derivative that the warehouse knows a version by


def collect_drafts(config: LanguageConfig, run: int) -> "tuple[DatasetPlan, ParquetDataset[Draft]]":
    """Collect drafts of all kinds from the active index version: from structure, from models.

    Raises:
        UsageError: there is no index, a prompt is wrong, the documents are of several tenants, there are no drafts.
        BackendError: what a model wrote cannot be kept.
    """
    _check(config)
    workspace = Workspace()
    workspace.keep_alive(run)
    with workspace.store(config.load) as store, store.read() as index:
        manifest = index.manifest
        material = _material(config, index, workspace, open_writer(config.llms, workspace))
    drafts = [one for pairs in section_of(config).pairs for one in pairs.drafts(material)]
    plan = _plan(config, run, manifest, drafts, material)
    if not drafts:
        told = dict.fromkeys(f"{one.reason}: {one.detail}" for one in plan.failures)
        left = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(material.dropped.items()))
        detail = "; ".join([*told][:3]) or plan.stopped or left
        raise UsageError(
            f"there is nothing to learn from ({detail or 'no document has a question or a heading'}); index documents "
            "with questions or headings, or let a model write (`pairs` of kind llm)"
        )
    return plan, workspace.spool(drafts, Draft)


def sift_drafts(
    config: LanguageConfig, plan: DatasetPlan, drafts: Dataset[Draft]
) -> "tuple[DatasetSifting, ParquetDataset[Instruction] | ParquetDataset[Preference]]":
    """Let the gates take out what does not pass, and divide the rest into splits.

    Raises:
        GateFailed: a gate refuses the data set; nothing is kept of it.
        UsageError: no row is left, or the index is another one by now.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    with workspace.store(config.load) as store, store.read() as index:
        _check_same(plan, index.manifest)
        sieve = _sieve(config, index, workspace)
        found: ParquetDataset[Instruction] | ParquetDataset[Preference]
        if isinstance(config, InstructDatasetConfig):
            rows = sift_instructions(list(drafts), sieve)
            found = workspace.spool([*rows, *_general(config, rows)], Instruction)
        else:
            pairs = sift_preferences(list(drafts), sieve, config.preferences)
            found = workspace.spool([*pairs, *_general_pairs(config, pairs)], Preference)
    for split in (Split.TRAIN, Split.TEST):
        if not any(row.split == split for row in found):
            logger.warning("no row is in split {}: there are few clusters of documents; see `shares`", split)
    dropped = {reason: count for reason, count in sorted(sieve.dropped.items()) if count}
    return DatasetSifting(dropped=dropped, gates=tuple(sieve.figures)), found


def keep_rows(
    config: LanguageConfig, plan: DatasetPlan, sifting: DatasetSifting, rows: Rows
) -> tuple[DatasetCard, DatasetReport]:
    """Keep the rows as a version, with their card, and note from which documents they were made.

    Raises:
        BackendError: it cannot be written.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    store = open_datasets(workspace)
    with workspace.warehouse() as warehouse:
        card = store.write(card_of(config, plan, sifting, rows, warehouse), rows)
        place = str(store.place(card))
        made = Derivative(id=identity(KIND, place), kind=KIND, name=card.reference, place=place, run=plan.run)
        warehouse.record_derivative(made, documents_of(rows))
    logger.info("data set {} in {}", card.reference, place)
    return card, account_of(card, plan)


def estimate_drafts(config: LanguageConfig) -> list[WritingEstimate]:
    """Return what models would be asked to make this data set. Nothing is asked, and nothing is written.

    Raises:
        UsageError: there is no index, no such model, or a prompt is wrong.
    """
    _check(config)
    sections = [pairs for pairs in section_of(config).pairs if isinstance(pairs, Asking)]
    if not sections:
        return []
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        material = _material(config, index, workspace, _nobody)
    return [one for section in sections for one in writing_estimates(section, material, config.llms, workspace)]


def _check(config: LanguageConfig) -> None:
    """Refuse what is wrong with models and prompts before anything is read or asked."""
    for pairs in section_of(config).pairs:
        if isinstance(pairs, Reading | Answering):
            pairs.prompts()
            model_named(pairs, config.llms)


def _nobody(section: Asking, inquiries: Sequence[Inquiry], count: object) -> Replies:  # noqa: ARG001 - of `Ask`
    return Replies()


def _material(config: LanguageConfig, index: VectorIndex, workspace: Workspace, ask: Ask) -> Material:
    corpus = corpus_of(index.scan(), section_of(config).tenants)
    return Material(corpus, texts_of(index, corpus, workspace), ask)


def _sieve(config: LanguageConfig, index: VectorIndex, workspace: Workspace) -> Sieve:
    corpus: Corpus = corpus_of(index.scan(), section_of(config).tenants)
    searching = Searching(index, embedder_of(config, index.manifest, workspace), splitter_of(index.manifest))
    language = Tokenizing.model_validate(index.manifest.settings["tokenizing"]).language
    texts = texts_of(index, corpus, workspace)
    return Sieve(
        Searcher(corpus, searching, plain(config.retrieval)), texts, section_of(config), language, workspace.progress
    )


def _plan(
    config: LanguageConfig, run: int, manifest: IndexManifest, drafts: Sequence[Draft], material: Material
) -> DatasetPlan:
    replies = material.replies
    return DatasetPlan(
        run=run,
        collection=config.load.collection,
        version=manifest.version,
        fingerprint=manifest.fingerprint,
        questions=dict(sorted(Counter(one.origin for one in drafts).items())),
        dropped=dict(sorted(material.dropped.items())),
        usage=sum((one.usage for one in replies), Usage()),
        resumed=sum(one.resumed for one in replies),
        unasked=sum(one.unasked for one in replies),
        stopped=next((one.stopped for one in replies if one.stopped), ""),
        failures=tuple(failure for one in replies for failure in one.failures),
    )


def _check_same(plan: DatasetPlan, manifest: IndexManifest) -> None:
    if (manifest.version, manifest.fingerprint) != (plan.version, plan.fingerprint):
        raise UsageError(
            f"readers of collection {plan.collection} see version {manifest.version} by now, and the drafts were "
            f"collected from {plan.version}; run again"
        )


def _general(config: InstructDatasetConfig, rows: Sequence[Instruction]) -> list[Instruction]:
    general, settings = config.instructions.general, config.instructions
    if general is None:
        return []
    given = read_general(general, with_rejected=False)
    chosen = mixed_in(rows, given, general.share, settings.seed, settings.apart.words)
    return [instruction_of(one, general.file.name) for one in chosen]


def _general_pairs(config: PreferenceDatasetConfig, rows: Sequence[Preference]) -> list[Preference]:
    general, settings = config.preferences.general, config.preferences
    if general is None:
        return []
    given = read_general(general, with_rejected=True)
    chosen = mixed_in(rows, given, general.share, settings.seed, settings.apart.words)
    return [preference_of(one, general.file.name) for one in chosen]
