"""What data sets for language models are made of: models that write, texts of documents, general data sets."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_engineering.application.datasets.corpus import Corpus, Passage
from llm_engineering.application.datasets.writing import key_of
from llm_engineering.application.instructions.asking import ask_all
from llm_engineering.application.instructions.material import Ask, Count, Inquiry, Material, Replies
from llm_engineering.application.instructions.mixing import GeneralRow
from llm_engineering.application.instructions.settings import General
from llm_engineering.application.instructions.writing import Answering, Asking, Comparing, Reading, unread_inquiries
from llm_engineering.application.retrieval.texts import Cleaned, Texts
from llm_engineering.bootstrap.asking import awaited
from llm_engineering.bootstrap.llms import model_identity, open_llms
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.domain.access import ALL
from llm_engineering.domain.datasets import WritingEstimate
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Draft
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.datasets import open_replies
from llm_engineering.infrastructure.datasets.replies import read_replies, replies_of
from llm_engineering.infrastructure.llms import LlmSpec
from llm_engineering.infrastructure.llms.counting import likely_prompt


def texts_of(index: VectorIndex, corpus: Corpus, workspace: Workspace) -> dict[str, CleanedDocument]:
    """Return the documents of a corpus as its index version was made of them, by id."""
    texts = Texts(workspace.existing_warehouse, index.manifest.settings["cleaning"], Cleaned())
    return texts.of(index, list(corpus.documents), ALL)


def model_named(section: Asking, specs: Sequence[LlmSpec]) -> LlmSpec:
    """Return the model that is to write.

    Raises:
        UsageError: there is no such model.
    """
    known = {spec.name: spec for spec in specs}
    name = section.llm or next(iter(known), "")
    if name not in known:
        raise UsageError(
            f"`pairs` asks for the model {section.llm or '(the first one)'!r}; the models under `llms` are "
            f"{', '.join(known) or 'none'}"
        )
    return known[name]


def writer_name(spec: LlmSpec) -> str:
    """Return what the rows call a model by: its own name, where the configuration tells it."""
    return str(getattr(spec, "model", "") or spec.name)


def open_writer(specs: Sequence[LlmSpec], workspace: Workspace) -> Ask:
    """Return how a language model is asked: what it said before for this home is not asked again."""

    def ask(section: Asking, inquiries: Sequence[Inquiry], count: Count) -> Replies:
        return awaited(_asked(section, inquiries, count, model_named(section, specs), specs, workspace))

    return ask


async def _asked(
    section: Asking,
    inquiries: Sequence[Inquiry],
    count: Count,
    spec: LlmSpec,
    specs: Sequence[LlmSpec],
    workspace: Workspace,
) -> Replies:
    opened = open_llms(specs, None, workspace)
    try:
        with open_replies(workspace.home) as journal:
            replies = await ask_all(section, inquiries, count, opened[spec.name], model_identity(spec), journal)
            replies.model = writer_name(spec)
            return replies
    finally:
        for llm in opened.values():
            await llm.close()


def writing_estimates(
    section: Asking, material: Material, specs: Sequence[LlmSpec], workspace: Workspace
) -> list[WritingEstimate]:
    """Return what a model would be asked, and what that may cost at most. Nothing is asked, and nothing is written.

    Raises:
        UsageError: there is no such model, it cannot be opened, or a prompt is wrong.
    """
    rounds: list[list[Inquiry]] = []
    if isinstance(section, Reading):
        chosen = section.chosen(material.corpus.passages)
        rounds.append(section.inquiries(chosen))
        if isinstance(section, Comparing) and section.unread:
            # What will be asked is written by then; a question is seldom longer than this.
            likely = [_likely(passage) for passage in chosen for _ in range(section.each)]
            rounds.append(unread_inquiries(section, likely, section.prompts()[1]))
    elif isinstance(section, Answering):
        drafts = section.chosen(list(super(Answering, section).drafts(material)))
        rounds.append(unread_inquiries(section, drafts, section.prompts()[0]))
    return [_estimate(section, inquiries, model_named(section, specs), specs, workspace) for inquiries in rounds]


def _estimate(
    section: Asking, inquiries: Sequence[Inquiry], spec: LlmSpec, specs: Sequence[LlmSpec], workspace: Workspace
) -> WritingEstimate:
    known = {reply.key for reply in read_replies(replies_of(workspace.home))}
    new = [one.request for one in inquiries if key_of(one.request, model_identity(spec)) not in known]
    tokens = sum(map(likely_prompt, new))
    card = open_llms(specs, None, workspace)[spec.name].card
    written = section.max_tokens * len(new)
    return WritingEstimate(
        model=spec.name,
        passages=len(inquiries),
        known=len(inquiries) - len(new),
        input_tokens=tokens,
        output_tokens=written,
        cost=card.cost(tokens, written),
    )


def _likely(passage: Passage) -> Draft:
    return Draft("x" * 120, "x", passage.document_id, passage.id, "", "llm", passage.source)


def read_general(section: General, *, with_rejected: bool) -> Iterator[GeneralRow]:
    """Yield the rows of a general data set.

    Raises:
        UsageError: the file cannot be read, is of no known format, or lacks a column.
    """
    from llm_engineering.infrastructure.tables.reading import Table

    path: Path = section.file.expanduser()
    table = Table(path)
    if table.format not in ("csv", "jsonl", "parquet"):
        raise UsageError(f"general.file {path} is none of .csv, .jsonl, .ndjson and .parquet")
    columns = (section.instruction, section.answer, *((section.rejected,) if with_rejected else ()))
    for number, row in enumerate(table.rows(), start=1):
        if missing := [name for name in columns if not isinstance(row.get(name), str)]:
            raise UsageError(
                f"general.file {path}, row {number}: {missing[0]!r} is no text; the columns are {', '.join(row)}. Name "
                "those to read in `general` (instruction, answer, rejected)"
            )
        yield GeneralRow(*(str(row[name]) for name in columns))
