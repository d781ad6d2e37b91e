"""Rows of instructions and preferences, made on the spot."""

from llm_engineering.domain.instructions import Instruction, Preference

ANSWERS = ("north", "south", "east", "west")


def instructions(split: str, count: int, offset: int = 0) -> tuple[Instruction, ...]:
    """Return instructions whose answers can be learned; two rows share a cluster."""
    return tuple(
        Instruction(
            id=f"{split}-{row}",
            instruction=f"Where is place {row + offset}?",
            answer=f"It is in the {ANSWERS[row % 4]}.",
            document_id=f"{split}-document-{row // 2}",
            chunk_id="",
            passage="",
            origin="faq",
            writer="",
            source="faq",
            cluster=f"{split}-{row // 2}",
            split=split,
        )
        for row in range(count)
    )


def preferences(split: str, count: int, offset: int = 0) -> tuple[Preference, ...]:
    """Return pairs whose better answer can be told from the worse one."""
    return tuple(
        Preference(
            id=f"{split}-{row}",
            instruction=f"Where is place {row + offset}?",
            chosen=f"It is in the {ANSWERS[row % 4]}.",
            rejected="Nobody knows, sorry!",
            document_id=f"{split}-document-{row // 2}",
            chunk_id="",
            passage="",
            origin="faq",
            writer="",
            source="faq",
            cluster=f"{split}-{row // 2}",
            split=split,
        )
        for row in range(count)
    )
