"""Fine-tune an embedder on questions and passages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow, RetrievalPair
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.held_out import check_rows
from llm_engineering.infrastructure.trainers.optimising import Optimising, work_folders

if TYPE_CHECKING:
    from llm_engineering.infrastructure.trainers.measuring import Encode, Questions


class EmbedderTrainer(Optimising):
    """Fine-tune an embedder of sentence-transformers: multiple negatives ranking with mined hard negatives."""

    kind: Literal["embedder"] = "embedder"
    makes: ClassVar[ModelKind] = "embedder"
    learns_from: ClassVar[type[DatasetRow]] = RetrievalPair
    base: str = Field(
        DEFAULT_MODEL, min_length=1, description="model to begin with: name on the hub, local folder, or registry:NAME"
    )
    epochs: int = Field(2, ge=1, le=1_000, description="passes over the training rows")
    batch: int = Field(
        32, ge=2, le=65_536, description="rows in a batch, of one scope of search; the others' passages are negatives"
    )
    negatives: int = Field(1, ge=0, le=64, description="mined negatives of a row that are read, others in each epoch")
    scale: float = Field(20.0, gt=0, le=1_000, description="1/temperature of the cosine similarities")
    question_tokens: int = Field(64, ge=8, le=8_192, description="longer questions lose their end in training")
    passage_tokens: int = Field(128, ge=8, le=8_192, description="longer passages lose their end in training")
    query_prompt: str = Field("", description="put before each question, as in section `embedding`")
    passage_prompt: str = Field("", description="put before each passage, as in section `embedding`")
    matryoshka: tuple[int, ...] = Field((), description="vectors cut to these lengths are trained too; empty: none")
    distillation: float = Field(
        0.0, ge=0, le=100, description="weight of staying near the vectors of `base`: against forgetting"
    )
    lora_rank: int = Field(0, ge=0, le=1_024, description="rank of low-rank adapters, merged at the end; 0 = none")
    lora_alpha: float = Field(32.0, gt=0)
    blend: float = Field(1.0, gt=0, le=1, description="share of the trained weights in the mean with those of `base`")

    def train(self, data: TrainingData[RetrievalPair], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        A training that was killed goes on from its newest whole checkpoint in the folder; a finished one is returned.

        Raises:
            UsageError: rows that may not be learned from, a base that cannot be loaded, or a loss that is no number.
        """
        check_rows(data)
        if known := finished(folder):
            return known
        trained = _Training(self, data, folder, home).run(watch)
        return keep_finished(folder, trained)


@dataclass
class _Training:
    spec: EmbedderTrainer
    data: TrainingData[RetrievalPair]
    folder: Path
    home: Path

    def run(self, watch: Watch) -> Trained:
        import torch

        from llm_engineering.infrastructure.embedders.encoder import chosen_device, chosen_precision
        from llm_engineering.infrastructure.embedders.library_model import load_library_model
        from llm_engineering.infrastructure.trainers import loop, starting
        from llm_engineering.infrastructure.trainers.batches import PairBatches, SpreadBatches
        from llm_engineering.infrastructure.trainers.losses import RankingLoss

        spec = self.spec
        device = chosen_device(spec.device)
        precision = chosen_precision(spec.precision, device)
        files, digest = starting.base_files(spec.base, spec.revision, spec.digest, self.home)
        model = load_library_model(files, device)
        starting.set_dropout(model, spec.dropout)
        self._check_matryoshka(int(model.get_embedding_dimension() or 0))
        before = {name: value.detach().clone() for name, value in model.named_parameters()} if spec.blend < 1 else {}
        tokens, questions, passages = self._tokens(files)
        collate = PairBatches(self.data.train, questions, passages, spec.negatives, spec.token_budget, spec.seed)
        documents, scopes = zip(*((row.document_id, row.filter) for row in self.data.train), strict=True)
        batches = SpreadBatches(documents, spec.batch, spec.seed, scopes)
        loss = RankingLoss(model, spec.scale, spec.matryoshka, low=precision == "bf16")
        encode = _encoder(loss, spec.token_budget)
        if spec.distillation:
            loss.anchor = spec.distillation
            loss.anchors = (torch.from_numpy(encode(questions)), torch.from_numpy(encode(passages.ids)))
        asked = self._asked(tokens)
        first = {f"{name}/before": value for name, value in self._measured(asked, encode).items()}
        if spec.lora_rank:
            starting.add_adapters(model, spec.lora_rank, spec.lora_alpha, spec.seed)
        measure = (lambda: _means(asked["validation"], encode)) if "validation" in asked else None
        record = loop.train(spec, model, loss, (batches, collate), measure, work_folders(self.folder)[0], watch)
        if spec.lora_rank:
            starting.merge_adapters(model)
        starting.blend(model, before, spec.blend)
        metrics = first | self._measured(asked, encode)
        starting.save_model(model, files, work_folders(self.folder)[1])
        record = record.model_copy(update={"precision": precision, "device": device})
        return Trained(record=record, base=spec.base, base_digest=digest, metrics=dict(metrics))

    def _tokens(self, files: Any) -> tuple[Mapping[str, list[int]], list[list[int]], Any]:
        """Tokenise every text once: those of questions and general passages by text, questions by row, passages."""
        from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer
        from llm_engineering.infrastructure.trainers.batches import Texts, texts_of

        spec = self.spec
        window = files.window(None)
        ask = FileTokenizer.load(files.tokenizer, min(spec.question_tokens, window))
        read = FileTokenizer.load(files.tokenizer, min(spec.passage_tokens, window))
        rows = [*self.data.train, *self.data.validation]
        known = {text: ask.query_ids(text, spec.query_prompt) for text in dict.fromkeys(row.question for row in rows)}
        passages = texts_of(rows)
        texts = Texts()
        texts.add(passages, [read.query_ids(text, spec.passage_prompt) for text in passages])
        tokens = {f"question:{text}": ids for text, ids in known.items()}
        tokens |= {f"passage:{text}": texts.ids[texts.place(text)] for text in passages}
        for one in self.data.general:
            tokens[f"question:{one.question}"] = ask.query_ids(one.question, spec.query_prompt)
            tokens[f"passage:{one.passage}"] = read.query_ids(one.passage, spec.passage_prompt)
        return tokens, [known[row.question] for row in self.data.train], texts

    def _asked(self, tokens: Mapping[str, list[int]]) -> dict[str, "Questions"]:
        from llm_engineering.infrastructure.trainers.measuring import general_questions, questions_of

        found = {}
        if self.data.validation:
            corpus = [*self.data.train, *self.data.validation]
            found["validation"] = questions_of(self.data.validation, corpus, tokens)
        if self.data.general:
            found["general"] = general_questions(self.data.general, tokens)
        return found

    def _measured(self, asked: Mapping[str, "Questions"], encode: "Encode") -> dict[str, Estimate]:
        from llm_engineering.infrastructure.trainers.measuring import estimate, gains

        return {
            f"{name}/{metric}": estimate(values, self.spec.seed)
            for name, questions in asked.items()
            for metric, values in gains(questions, encode).items()
        }

    def _check_matryoshka(self, dimension: int) -> None:
        if wrong := [size for size in self.spec.matryoshka if not 1 <= size <= dimension]:
            raise UsageError(
                f"matryoshka has {wrong[0]}, but vectors of {self.spec.base!r} have {dimension} components"
            )


def _encoder(loss: Any, budget: int) -> "Encode":
    """Return the model of a loss as a function from token ids to vectors."""
    import torch

    from llm_engineering.infrastructure.trainers.batches import groups
    from llm_engineering.infrastructure.trainers.measuring import as_numpy

    def encode(ids: Sequence[list[int]]) -> Any:
        parts, order = groups(ids, budget)
        device = next(loss.model.parameters()).device
        was_training = loss.model.training
        loss.eval()
        loss.refresh()
        try:
            with torch.inference_mode():
                moved = ({name: value.to(device) for name, value in part.items()} for part in parts)
                return as_numpy(torch.cat([loss.vectors([part]).cpu() for part in moved])[order])
        finally:
            loss.train(was_training)

    return encode


def _means(questions: "Questions", encode: "Encode") -> dict[str, float]:
    from llm_engineering.infrastructure.trainers.measuring import gains

    return {name: float(values.mean()) for name, values in gains(questions, encode).items()}
