"""What the training pipelines are made of: where data sets are kept, questions of files, models
that write some, the registry, trackers."""

import sys
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from llm_engineering.application.datasets.corpus import Passage
from llm_engineering.application.datasets.material import Written
from llm_engineering.application.datasets.questions import Questions
from llm_engineering.application.datasets.writing import Writing, key_of, write_all
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.application.retrieval.remembering import Remembering
from llm_engineering.application.retrieval.retrieve import Tokenize
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap.asking import awaited
from llm_engineering.bootstrap.llms import model_identity, open_llms
from llm_engineering.bootstrap.registered import fitting_spec
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import DatasetConfig
from llm_engineering.config.instructions import LanguageDatasetConfig
from llm_engineering.domain.datasets import WritingEstimate
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import Tracker
from llm_engineering.infrastructure.datasets import DatasetFiles, open_replies
from llm_engineering.infrastructure.datasets.replies import read_replies, replies_of
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.llms.counting import likely_prompt
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.trackers import TrackerSpec
from llm_engineering.infrastructure.trackers.together import Together


def open_datasets(workspace: Workspace) -> DatasetFiles:
    """Return the store of data sets of a home."""
    return DatasetFiles(workspace.home)


def open_registry(workspace: Workspace) -> FileRegistry:
    """Return the registry of models of a home."""
    return FileRegistry(workspace.home)


def asked_of(section: Questions, splits: str) -> tuple[list[Question], list[str]]:
    """Read the questions of a file, each with the split that its column names; empty where columns do not decide.

    Raises:
        UsageError: the file cannot be read, or lacks a column.
    """
    from llm_engineering.infrastructure.questions import read_questions

    columns = section.filters if splits != "column" else tuple(dict.fromkeys([*section.filters, section.split]))
    questions = read_questions(section.file, section.question, section.document, columns)
    if splits != "column":
        return questions, [""] * len(questions)
    named = [str(question.filter.get(section.split, "")).strip().lower() for question in questions]
    kept = [
        Question(
            one.text, one.documents, {name: value for name, value in one.filter.items() if name in section.filters}
        )
        for one in questions
    ]
    return kept, named


def embedder_of(
    config: DatasetConfig | LanguageDatasetConfig, manifest: IndexManifest, workspace: Workspace
) -> Remembering | None:
    """Return the embedder of an index version, or None for a search without one.

    The configured one is taken if it is the index's; else the one that the index was made with.

    Raises:
        UsageError: it cannot be opened.
    """
    if config.retrieval.mode == "sparse":
        return None
    try:
        spec = fitting_spec(manifest, config.embedding, workspace.home)
    except (ValidationError, KeyError) as error:
        raise UsageError(
            f"the model {manifest.model.name!r} of index version {manifest.version} cannot be opened: {error}. "
            "Run the feature pipeline with a model of this version of the project"
        ) from error
    # Each question is asked for when duplicates are looked for, and again by each search.
    return Remembering(fitting(spec.open(workspace.home), manifest.model), most=sys.maxsize)


def splitter_of(manifest: IndexManifest) -> Tokenize:
    """Return how queries are split for an index: the way the index was, whatever the file says by now."""
    return Tokenizing.model_validate(manifest.settings["tokenizing"]).query


def model_of(section: Writing, specs: Sequence[LlmSpec]) -> LlmSpec:
    """Return the model that is to write questions.

    Raises:
        UsageError: there is no such model.
    """
    known = {spec.name: spec for spec in specs}
    name = section.llm or next(iter(known), "")
    if name not in known:
        raise UsageError(
            f"dataset.pairs of kind llm asks for the model {section.llm or '(the first one)'!r}; the models under "
            f"`llms` are {', '.join(known) or 'none'}"
        )
    return known[name]


def writer_of(specs: Sequence[LlmSpec], workspace: Workspace) -> Callable[[Writing, Sequence[Passage]], Written]:
    """Return how a language model writes questions: what it wrote before for this home is not asked again."""

    def write(section: Writing, passages: Sequence[Passage]) -> Written:
        return awaited(_written(section, passages, model_of(section, specs), specs, workspace))

    return write


def writing_estimate(
    section: Writing, passages: Sequence[Passage], specs: Sequence[LlmSpec], workspace: Workspace
) -> WritingEstimate:
    """Return what a model would be asked, and what that may cost at most. Nothing is asked, and nothing is written.

    Raises:
        UsageError: there is no such model, or it cannot be opened.
    """
    spec, prompt = model_of(section, specs), section.open_prompt()
    known = {reply.key for reply in read_replies(replies_of(workspace.home))}
    requests = [section.request(passage, prompt) for passage in section.chosen(passages)]
    new = [request for request in requests if key_of(request, model_identity(spec)) not in known]
    tokens = sum(map(likely_prompt, new))
    card = open_llms(specs, None, workspace)[spec.name].card
    return WritingEstimate(
        model=spec.name,
        passages=len(requests),
        known=len(requests) - len(new),
        input_tokens=tokens,
        output_tokens=section.max_tokens * len(new),
        cost=card.cost(tokens, section.max_tokens * len(new)),
    )


async def _written(
    section: Writing, passages: Sequence[Passage], spec: LlmSpec, specs: Sequence[LlmSpec], workspace: Workspace
) -> Written:
    opened = open_llms(specs, None, workspace)
    try:
        with open_replies(workspace.home) as journal:
            return await write_all(section, passages, opened[spec.name], model_identity(spec), journal)
    finally:
        for llm in opened.values():
            await llm.close()


def open_trackers(specs: Sequence[TrackerSpec], workspace: Workspace) -> Tracker:
    """Return one tracker that tells all of them; of none, one that tells nobody.

    Raises:
        UsageError: an extra is missing, or a variable that is named is not set.
    """
    return Together([spec.open(workspace.home) for spec in specs])
