"""A GPT from scratch, to be read in this order: `vocabulary`, `bpe`, `windows`, `model`, `training`, `checkpoints`,
`sampling`, `export`. `trigrams` are what it has to beat; `trainer` is how a pipeline uses it all. The page docs/gpt.md
walks through them.
"""

from llm_engineering.infrastructure.trainers.gpt.trainer import GptTrainer, VocabularySettings

__all__ = ["GptTrainer", "VocabularySettings"]
