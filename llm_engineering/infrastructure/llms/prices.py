"""What well-known models cost and how much they read.

US dollars per million tokens (input, output) and the context window in tokens, at their makers' list prices of November
2026. Some cost more beyond a length of prompt, which is not in here: set `price` where that counts.
"""

from llm_engineering.domain.llms import LlmCard
from llm_engineering.infrastructure.llms.settings import LlmSettings

# The current model of each tier.
TIERS = {"haiku": "claude-haiku-5-5", "sonnet": "claude-sonnet-5-5", "opus": "claude-opus-5-5"}

KNOWN: dict[str, tuple[float, float, int]] = {
    "claude-haiku-4-5": (1.0, 5.0, 200_000),
    "claude-haiku-5-5": (0.1, 0.5, 1_000_000),
    "claude-sonnet-4-5": (3.0, 15.0, 200_000),
    "claude-sonnet-4-6": (3.0, 15.0, 1_000_000),
    "claude-sonnet-5": (2.0, 10.0, 1_000_000),
    "claude-sonnet-5-5": (2.0, 10.0, 1_000_000),
    "claude-opus-4-5": (5.0, 25.0, 200_000),
    "claude-opus-4-8": (5.0, 25.0, 1_000_000),
    "claude-opus-5": (5.0, 25.0, 1_000_000),
    "claude-opus-5-5": (4.0, 20.0, 1_000_000),
    "gpt-4.1": (2.0, 8.0, 1_000_000),
    "gpt-4.1-mini": (0.4, 1.6, 1_000_000),
    "gpt-4.1-nano": (0.1, 0.4, 1_000_000),
    "gpt-4o": (2.5, 10.0, 128_000),
    "gpt-4o-mini": (0.15, 0.6, 128_000),
    "gpt-5": (1.25, 10.0, 400_000),
    "gpt-5-mini": (0.25, 2.0, 400_000),
    "gpt-5-nano": (0.05, 0.4, 400_000),
    "gpt-5.4-mini": (0.75, 4.5, 400_000),
    "gpt-5.4-nano": (0.2, 1.25, 400_000),
    "gpt-6-luna": (0.1, 0.5, 1_050_000),
    "gpt-6-sol": (2.0, 10.0, 1_050_000),
    "gpt-6.1-sol": (2.0, 10.0, 1_050_000),
    "gpt-6.1-terra": (1.0, 5.0, 1_050_000),
}


def card_of(spec: LlmSettings, provider: str, model: str, *, is_free: bool = False, is_listed: bool = True) -> LlmCard:
    """Describe a model: what the configuration says, else what is known of it.

    `is_listed` says that the makers' list prices hold where it runs; a server of one's own may call its model anything.
    """
    known = KNOWN.get(model) if is_listed else None
    listed = (0.0, 0.0) if is_free else known[:2] if known else (None, None)
    prices = (spec.price.input, spec.price.output) if spec.price else listed
    return LlmCard(
        name=spec.name,
        provider=provider,
        context_window=spec.context_window or (known[2] if known else None),
        input_price=prices[0],
        output_price=prices[1],
    )
