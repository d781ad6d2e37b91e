"""The documents of an index into a language model: look at them, train, register."""

import json
import shutil
from datetime import UTC, datetime
from functools import partial

from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.pretraining import Division, of_tenants, texts_of
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_registry, open_trackers
from llm_engineering.config import PretrainingConfig
from llm_engineering.config.pretraining import PretrainingSettings
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.training import Texts, Trained, TrainingPlan, TrainingReport, WeightsFolder
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.trainers.checkpoints import write_whole
from llm_engineering.infrastructure.trainers.optimising import DOCUMENTS
from llm_engineering.stages.learning import note_origin, tracked, work_folder


def plan_pretraining(config: PretrainingConfig, run: int = 0) -> TrainingPlan:
    """Find the documents, and say how many there are to learn from and to be tested on.

    Raises:
        UsageError: there is no index, it has no document with a text, or they are of several tenants.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    _, texts = corpus(config, workspace)
    settings = config.pretraining
    work = digest([texts.digest, settings.trainer.model_dump(mode="json")])
    return TrainingPlan(
        model=settings.model,
        kind="llm",
        dataset=texts.reference,
        dataset_digest=texts.digest,
        work=f"{settings.model}/{work[:32]}",
        train=len(texts.train),
        validation=len(texts.validation),
        general=0,
    )


def pretrain_model(config: PretrainingConfig, plan: TrainingPlan, run: int = 0) -> tuple[Trained, WeightsFolder]:
    """Train; what a killed run has done already is not done again. Return how it went, and the folder of the model.

    Raises:
        UsageError: the documents were changed, are too few, or the loss became no number.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    documents, texts = corpus(config, workspace)
    _check_same(plan, texts)
    trainer = config.pretraining.trainer
    folder = work_folder(workspace, plan)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / DOCUMENTS, json.dumps([one.id for one in documents]))
    tracker = open_trackers(config.tracking, workspace)
    train = partial(trainer.train, texts, folder, workspace.home)
    trained = tracked(tracker, "pretraining", plan, trainer, train, "validation_loss")
    return trained, WeightsFolder(folder / "model")


def register_pretrained(
    config: PretrainingConfig, plan: TrainingPlan, trained: Trained, weights: WeightsFolder, run: int = 0
) -> TrainingReport:
    """Take the model into the registry, note what it learnt from, and clear away what was needed to train it.

    Raises:
        UsageError: weights or figures that are not finite, or documents that were changed since.
    """
    workspace = Workspace()
    documents, texts = corpus(config, workspace)
    # A document that was forgotten while the model learnt from it must not come back in its words.
    _check_same(plan, texts)
    collection, _, version = plan.dataset.partition("@")
    model = RegisteredModel(
        name=plan.model,
        number=0,
        kind=plan.kind,
        dataset=plan.dataset,
        dataset_digest=plan.dataset_digest,
        licence=config.pretraining.licence,
        template=trained.template,
        settings=config.pretraining.model_dump(mode="json"),
        training=trained.record,
        metrics=trained.metrics,
        index={"collection": collection, "version": version},
        run=run,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    registered = open_registry(workspace).register(model, weights.folder)
    note_origin(workspace, registered, [one.id for one in documents])
    shutil.rmtree(work_folder(workspace, plan), ignore_errors=True)
    return TrainingReport(model=registered.reference, dataset=plan.dataset, trained=trained)


def corpus(config: PretrainingConfig, workspace: Workspace) -> tuple[list[CleanedDocument], Texts]:
    """Return the documents that readers of the index see, cleaned as they are in it, and their texts divided.

    Raises:
        UsageError: there is no index, it has no document with a text, or they are of several tenants.
    """
    settings, collection = config.pretraining, config.load.collection
    with workspace.store(config.load) as store:
        manifest = store.active()
    if manifest is None:
        raise UsageError(
            f"collection {collection!r} has no index that readers see, so there is nothing to learn from; run the "
            "feature pipeline first, or name another collection in load.collection"
        )
    documents = of_tenants(_documents(config, workspace, manifest), settings.tenants)
    return documents, texts_of(documents, f"{collection}@{manifest.version}", division_of(settings))


def division_of(settings: PretrainingSettings) -> Division:
    """Return how the documents are divided into those to learn from and those to be tested on."""
    return Division(settings.validation, settings.alike, settings.boilerplate, settings.seed)


def _documents(config: PretrainingConfig, workspace: Workspace, manifest: IndexManifest) -> list[CleanedDocument]:
    cleaning = Cleaning.model_validate(manifest.settings["cleaning"])
    collection, wanted = config.load.collection, config.pretraining.sources
    with workspace.warehouse() as warehouse:
        known = warehouse.indexed_sources(collection, manifest.version)
        if unknown := sorted(set(wanted or ()) - set(known)):
            raise UsageError(
                f"pretraining.sources names {unknown[0]!r}, and the index of collection {collection!r} holds "
                f"{', '.join(known) or 'none'}"
            )
        return [
            cleaning.clean(one.document)
            for source in (known if wanted is None else wanted)
            for one in warehouse.indexed_documents(collection, manifest.version, source)
        ]


def _check_same(plan: TrainingPlan, texts: Texts) -> None:
    if texts.digest != plan.dataset_digest:
        raise UsageError(
            f"the documents of {texts.reference} are others than when this training began ({plan.dataset}); run again"
        )
