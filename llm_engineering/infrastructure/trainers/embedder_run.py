"""One fine-tuning of an embedder, from rows to a finished model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.training import Trained, TrainingData, Watch
from llm_engineering.infrastructure.embedders.library_model import load_library_model
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer
from llm_engineering.infrastructure.trainers import loop, starting
from llm_engineering.infrastructure.trainers.batches import PairBatches, SpreadBatches, Texts, groups, texts_of
from llm_engineering.infrastructure.trainers.embedder import EmbedderTrainer
from llm_engineering.infrastructure.trainers.losses import RankingLoss
from llm_engineering.infrastructure.trainers.measuring import (
    Encode,
    Questions,
    as_numpy,
    at_rest,
    estimate,
    gains,
    general_questions,
    questions_of,
)
from llm_engineering.infrastructure.trainers.optimising import work_folders


@dataclass
class EmbedderRun:
    """A fine-tuning on its way."""

    spec: EmbedderTrainer
    data: TrainingData[RetrievalPair]
    folder: Path
    home: Path

    def finish(self, watch: Watch) -> Trained:
        """Train until the end, and leave the model in the folder."""
        spec, (checkpoints, result) = self.spec, work_folders(self.folder)
        start = starting.start(spec, spec.base, self.home)
        model = load_library_model(start.files, start.device)
        starting.set_dropout(model, spec.dropout)
        self._check_matryoshka(int(model.get_embedding_dimension() or 0))
        before = {name: value.detach().clone() for name, value in model.named_parameters()} if spec.blend < 1 else {}
        tokens, questions, passages = self._tokens(start.files)
        loss = RankingLoss(model, spec.scale, spec.matryoshka, low=start.precision == "bf16")
        encode = _encoder(loss, spec.token_budget)
        if spec.distillation:
            loss.anchor = spec.distillation
            loss.anchors = (torch.from_numpy(encode(questions)), torch.from_numpy(encode(passages.ids)))
        asked = self._asked(tokens)
        first = {f"{name}/before": value for name, value in self._measured(asked, encode).items()}
        if spec.lora_rank:
            starting.add_adapters(model, spec.lora_rank, spec.lora_alpha, spec.seed)
        measure = (lambda: _means(asked["validation"], encode)) if "validation" in asked else None
        record = loop.train(spec, model, loss, self._batches(questions, passages), measure, checkpoints, watch)
        if spec.lora_rank:
            starting.merge_adapters(model)
        starting.blend(model, before, spec.blend)
        metrics = first | self._measured(asked, encode)
        starting.save_model(model, start.files, result)
        return start.trained(record, metrics)

    def _batches(self, questions: list[list[int]], passages: Texts) -> tuple[SpreadBatches, PairBatches]:
        """Return which rows are read together, and what is read of them."""
        spec, rows = self.spec, self.data.train
        documents, scopes = zip(*((row.document_id, row.filter) for row in rows), strict=True)
        collate = PairBatches(rows, questions, passages, spec.negatives, spec.token_budget, spec.seed)
        return SpreadBatches(documents, spec.batch, spec.seed, scopes), collate

    def _tokens(self, files: ModelFiles) -> tuple[Mapping[str, list[int]], list[list[int]], Texts]:
        """Tokenise every text once: those of questions and general passages by text, questions by row, passages."""
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

    def _asked(self, tokens: Mapping[str, list[int]]) -> dict[str, Questions]:
        found = {}
        if self.data.validation:
            corpus = [*self.data.train, *self.data.validation]
            found["validation"] = questions_of(self.data.validation, corpus, tokens)
        if self.data.general:
            found["general"] = general_questions(self.data.general, tokens)
        return found

    def _measured(self, asked: Mapping[str, Questions], encode: Encode) -> dict[str, Estimate]:
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


def _encoder(loss: RankingLoss, budget: int) -> Encode:
    """Return the model of a loss as a function from token ids to vectors."""

    def encode(ids: Sequence[list[int]]) -> NDArray[np.float32]:
        parts, order = groups(ids, budget)
        with at_rest(loss) as moved:
            return as_numpy(torch.cat([loss.vectors([moved(part)]).cpu() for part in parts])[order])

    return encode


def _means(questions: Questions, encode: Encode) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in gains(questions, encode).items()}
