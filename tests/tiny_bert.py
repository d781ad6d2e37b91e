"""An embedder of a few thousand random weights in the sentence-transformers format, and rows to train it with."""

import json
from pathlib import Path

from llm_engineering.domain.datasets import RetrievalPair

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omikron",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
]


def tiny_bert(folder: Path) -> Path:
    """Write a BERT of two layers with mean pooling, whose vocabulary is letters."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789?.:"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary += [word for word in WORDS if len(word) > 1]
    raw = BertWordPieceTokenizer(vocab={token: number for number, token in enumerate(vocabulary)})
    tokenizer = BertTokenizerFast(tokenizer_object=raw._tokenizer, model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def pair(number: int, split: str = "train", **changes: object) -> RetrievalPair:
    """Return a row: a question of two words of its passage, with the passages of the next documents as negatives."""
    of = number % len(WORDS)
    passages = [f"{WORDS[(of + step) % len(WORDS)]} is {WORDS[(of + 3 * step + 1) % len(WORDS)]}" for step in range(4)]
    fields: dict[str, object] = {
        "id": f"{split}-{number}",
        "question": f"what is {WORDS[of]} {number}?",
        "document_id": f"{split}-{of}",
        "chunk_id": f"{split}-{of}",
        "passage": f"{split}: {passages[0]}",
        "documents": (f"{split}-{of}",),
        "negatives": tuple(f"{split}: {text}" for text in passages[1:]),
        "negative_ids": tuple(f"{split}-{(of + step) % len(WORDS)}" for step in (1, 2, 3)),
        "origin": "question",
        "source": "tiny",
        "filter": "",
        "cluster": f"{split}-{of}",
        "split": split,
    }
    return RetrievalPair(**(fields | changes))  # type: ignore[arg-type]


def pairs(train: int = 40, validation: int = 10) -> tuple[tuple[RetrievalPair, ...], tuple[RetrievalPair, ...]]:
    """Return rows to learn from and rows to choose by."""
    return (
        tuple(pair(number) for number in range(train)),
        tuple(pair(number, "validation") for number in range(validation)),
    )
