"""The card and the account of a data set."""

from collections import Counter
from hashlib import sha256

from llm_engineering.application.instructions.settings import LanguageSettings
from llm_engineering.application.instructions.writing import Answering, Reading
from llm_engineering.bootstrap.instructions import model_named, writer_name
from llm_engineering.config import InstructDatasetConfig, PreferenceDatasetConfig
from llm_engineering.config.instructions import section_of
from llm_engineering.domain.datasets import DatasetCard, DatasetPlan, DatasetSifting
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.ports import Dataset, Warehouse
from llm_engineering.domain.reports import DatasetReport

LanguageConfig = InstructDatasetConfig | PreferenceDatasetConfig
Rows = Dataset[Instruction] | Dataset[Preference]


def account_of(card: DatasetCard, plan: DatasetPlan, negatives: float = 0.0) -> DatasetReport:
    """Return what is reported of a version that was made; `negatives` is their mean for each question."""
    usage = plan.usage
    return DatasetReport(
        reference=card.reference,
        questions=plan.questions,
        rows=card.rows,
        origins=card.origins,
        dropped=card.dropped,
        documents=card.documents,
        clusters=card.clusters,
        negatives=negatives,
        gates=card.gates,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost if usage.calls else 0.0,
        resumed=plan.resumed,
        unasked=plan.unasked,
        stopped=plan.stopped,
        failures=plan.incidents,
    )


def card_of(
    config: LanguageConfig, plan: DatasetPlan, sifting: DatasetSifting, rows: Rows, warehouse: Warehouse
) -> DatasetCard:
    """Return the card of rows that are to be kept; the store fills in what the rows say of themselves."""
    settings = section_of(config)
    dropped = Counter(plan.dropped) + Counter(sifting.dropped)
    return DatasetCard(
        name=settings.name,
        version="",
        digest="",
        kind="instruction" if isinstance(config, InstructDatasetConfig) else "preference",
        dropped=dict(sorted(dropped.items())),
        sources=tuple(sorted({row.source for row in rows})),
        index={"collection": plan.collection, "version": plan.version, "fingerprint": plan.fingerprint},
        settings=settings.model_dump(mode="json", exclude={"name", "licence", "users"})
        | {"inputs": _inputs(settings, config)},
        licence=settings.licence,
        users=settings.users or tuple(name for name in settings.tenants or () if name),
        gates=sifting.gates,
        cost=plan.usage.cost or 0.0,
        run=plan.run,
        created_at=str(warehouse.run_record(plan.run)["started_at"]),
    )


def _inputs(settings: LanguageSettings, config: LanguageConfig) -> dict[str, str]:
    """Return what drafts came from beside the corpus: prompts and a general data set with their SHA-256; models."""
    found: dict[str, str] = {}
    for pairs in section_of(config).pairs:
        if isinstance(pairs, Reading | Answering):
            found |= {f"prompt {prompt.name}": prompt.digest for prompt in pairs.prompts()}
            found["model"] = writer_name(model_named(pairs, config.llms))
    if settings.general is not None:
        found[str(settings.general.file)] = sha256(settings.general.file.expanduser().read_bytes()).hexdigest()
    return found
