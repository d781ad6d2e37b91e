"""Questions that no index of courses or manuals answers: written ones, and noise made by rules."""

import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path

WRITTEN = Path(__file__).with_name("off_topic.txt")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NOUNS = (
    "banana cloud giraffe teapot violin glacier sock thunder pillow walnut kettle "
    "otter velvet marble feather lantern pebble turnip canoe mitten"
)
PATTERNS = (
    "What is {0}?",
    "How do I {0} a {1}?",
    "Why does {0} {1} when {2} is {3}?",
    "{0} {1} {2}",
    "Where can I find the {0} of {1}?",
)


def off_topic() -> Iterator[tuple[str, str]]:
    """Yield (kind, question): first the written ones, then noise, the same in every run."""
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        yield "off-topic", line
    chance = random.Random(7)
    makers: dict[str, tuple[int, Callable[[random.Random], str]]] = {
        "keyboard noise": (35, _keyboard),
        "invented words": (30, _invented),
        "random words": (30, lambda chance: " ".join(chance.sample(NOUNS.split(), chance.randint(3, 6)))),
        "numbers": (10, lambda chance: " ".join(str(chance.randrange(10**7)) for _ in range(chance.randint(2, 5)))),
        "signs": (5, lambda chance: "".join(chance.choices("!?#%&*+-=<>~^", k=chance.randint(3, 12)))),
    }
    for kind, (count, make) in makers.items():
        for _ in range(count):
            yield kind, make(chance)


def _keyboard(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chance.choice(chance.choice(KEYS)) for _ in range(chance.randint(5, 14)))
    letters = string.ascii_lowercase
    return " ".join("".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(chance.randint(2, 6)))


def _invented(chance: random.Random) -> str:
    def word() -> str:
        return "".join(
            chance.choice("bcdfghjklmnprstvwz") + chance.choice("aeiou") + chance.choice(("", "", "n", "r", "s"))
            for _ in range(chance.randint(2, 3))
        )

    return chance.choice(PATTERNS).format(word(), word(), word(), word())
