"""SFT, then DPO, on a GPT of this project pretrained on the FAQ: are they better than the base on held-out documents?

    python -m benchmarks.fine_tuning ../shared/data/faq --work /tmp/fine-tuning

Half of the documents are held out of everything: vocabulary, pretraining, SFT and DPO. The better answer of a pair
stands in the document, the worse one is what a model writes: the base, or the SFT model itself (`--writer sft`), which
is far harder to turn from. Each model is compared with the one before it, document by document, by the paired test that
promotions hang on.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.faq_rows import split_of
from llm_engineering.application.evaluation.paired import compare_values
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.domain.evaluation import Comparison, Evaluation
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.training import Texts, Trained, TrainingData
from llm_engineering.infrastructure.trainers import DpoTrainer, SftTrainer
from llm_engineering.infrastructure.trainers.gpt import GptTrainer
from llm_engineering.infrastructure.trainers.language.judging import judge_rows

WORDS = 40  # of an answer
WINDOW = 256
HELD_PAIRS = 4  # of a held-out document: what a model writes is chance, and so is what it is compared with


def main() -> None:
    """Pretrain, fine-tune twice, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400, help="of the pretraining, of 2,048 tokens each")
    parser.add_argument("--positions", choices=("learned", "rotary"), default="rotary")
    parser.add_argument("--likelihood", type=float, default=0.7, help="weight of the better answer's loss in DPO")
    parser.add_argument("--beta", type=float, default=0.05, help="how close DPO stays to the SFT model")
    parser.add_argument("--writer", choices=("base", "sft"), default="base", help="of the worse answers")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rows, work, began = instructions(arguments.data), arguments.work, time.perf_counter()
    trainer = GptTrainer.model_validate(
        {
            "vocabulary": {"size": 1_024},
            "width": WINDOW,
            "layers": 4,
            "channels": 128,
            "batch": 8,
            "seed": arguments.seed,
        }
        | {"steps": arguments.steps, "positions": arguments.positions}
    )
    base = pretrained(rows, work / "base", trainer)
    print(f"{trainer}; {len(rows)} rows; {time.perf_counter() - began:.0f} s")
    shared: dict[str, Any] = {"threads": torch.get_num_threads(), "device": "cpu", "seed": arguments.seed}
    sft = SftTrainer(base=str(base), epochs=4, batch=8, accumulation=1, learning_rate=1e-3, evaluations=2, **shared)
    tell("SFT", sft.train(data(rows), work / "sft", work))
    learnt, held = ([row for row in rows if (row.split == "test") is wanted] for wanted in (False, True))
    pairs = preferences(learnt, _model(work, arguments.writer), arguments.seed)
    held_pairs = preferences(held, _model(work, arguments.writer), arguments.seed, HELD_PAIRS)
    dpo = DpoTrainer(
        base=str(work / "sft" / "model"), epochs=3, batch=8, accumulation=1, learning_rate=4e-4, evaluations=2,
        likelihood=arguments.likelihood, beta=arguments.beta, **shared,
    )  # fmt: skip
    tell("DPO", dpo.train(data(pairs), work / "dpo", work))
    for before, after in (("base", "sft"), ("sft", "dpo"), ("base", "dpo")):
        for name, asked in (("log_likelihood", held), ("preference", held_pairs)):
            found = compared(_model(work, before), _model(work, after), name, asked, work)
            print(
                f"{before} → {after}: {name} {found.before:.3f} → {found.after:.3f}, difference {found.difference}, "
                f"p = {found.p:.4f}, {len(asked)} held-out rows: {found.verdict}"
            )
    print(f"{time.perf_counter() - began:.0f} s in all")


def instructions(folder: Path) -> list[Instruction]:
    """Return a question of each document with the beginning of its answer."""
    found = []
    for course in json.loads((folder / "documents.json").read_text(encoding="utf-8")):
        for number, one in enumerate(course["documents"]):
            name, answer = f"{course['course']}-{number}", " ".join(one["text"].split()[:WORDS])
            if answer and one["question"].strip():
                found.append(
                    Instruction(
                        id=name, instruction=one["question"].strip(), answer=answer, document_id=name, chunk_id="",
                        passage=one["text"], origin="faq", writer="", source="faq", cluster=name,
                        split=split_of(name).value,
                    )
                )  # fmt: skip
    return found


def pretrained(rows: Sequence[Instruction], folder: Path, trainer: GptTrainer) -> Path:
    """Pretrain a GPT of this project on the documents that are not held out; return the folder that it exports."""
    train, validation = (
        tuple(f"{row.instruction}\n{row.passage}" for row in rows if row.split == split)
        for split in ("train", "validation")
    )
    tell("pretraining", trainer.train(Texts("faq", "", train, validation), folder, folder))
    return folder / "model"


@torch.inference_mode()
def preferences(rows: Sequence[Instruction], folder: Path, seed: int, times: int = 1) -> list[Preference]:
    """Return each row, some times over, with what a model answers as the worse answer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from llm_engineering.infrastructure.llms.templates import ChatTemplate

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    template, found = ChatTemplate.of(tokenizer), []
    torch.manual_seed(seed)
    for number, start in product(range(times), range(0, len(rows), 64)):
        part = rows[start : start + 64]
        prompts = [template.prompt_ids([{"role": "user", "content": row.instruction}])[-96:] for row in part]
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(one)) + one for one in prompts])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
        written = model.generate(
            ids, attention_mask=mask, max_new_tokens=WINDOW - longest - 96, do_sample=True, temperature=0.8, top_k=50,
            pad_token_id=0,
        )  # fmt: skip
        for row, tokens in zip(part, written[:, longest:], strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
            if text and text != row.answer:
                facts = {name: value for name, value in asdict(row).items() if name != "answer"}
                facts |= {"id": f"{row.id}-{number}", "writer": folder.parent.name}
                found.append(Preference(**facts, chosen=row.answer, rejected=text))
    return found


def data(rows: Sequence[Any]) -> TrainingData[Any]:
    """Return rows to learn from and to choose by."""
    train, validation = (tuple(row for row in rows if row.split == split) for split in ("train", "validation"))
    return TrainingData("faq", "", train, validation)


def compared(before: Path, after: Path, metric: str, rows: Sequence[Any], home: Path) -> Comparison:
    """Compare two models on held-out rows."""
    both = judge_rows(str(before), str(after), rows, home)

    def evaluation(id: str) -> Evaluation:
        return Evaluation(
            id=id, name=id, subject={}, questions=len(both.ids), unknown=0, questions_digest="", questions_from="faq",
            depth=0, confidence=0.95, slices=(), p50_ms=0, p95_ms=0,
        )  # fmt: skip

    sides = (evaluation("before"), both.before.values), (evaluation("after"), both.after.values)
    return compare_values(*sides, both.clusters, metric, EvaluationSettings(resamples=10_000)).of(metric)


def tell(name: str, done: Trained) -> None:
    """Print how a training went."""
    print(f"{name}: {done}")


def _model(work: Path, name: str) -> Path:
    return work / name / "model"


if __name__ == "__main__":
    main()
