"""Stand-ins for a judge, scripted: they speak OpenAI's shape and judge by a rule, not by understanding."""

import json
import re

_TEXT = re.compile(
    r"<<(\w+) (question|passage|reference|answer|first answer|second answer)>>\n(.*?)\n<<\1 end", re.DOTALL
)
GRADES = ("correct", "complete", "grounded", "clear")


def texts_in(prompt: str) -> dict[str, str]:
    """Return the texts that a judge is shown, by their names."""
    return {name: text for _, name, text in _TEXT.findall(prompt)}


def likeness(reference: str, answer: str) -> float:
    first, second = set(reference.lower().split()), set(answer.lower().split())
    return len(first & second) / max(1, len(first | second))


def fair(prompt: str) -> str:
    """Judge by the words that an answer shares with the reference."""
    shown = texts_in(prompt)
    if "answer" in shown:
        grade = 1 + round(4 * likeness(shown["reference"], shown["answer"]))
        return json.dumps({"reason": "words"} | dict.fromkeys(GRADES, grade))
    first, second = (likeness(shown["reference"], shown[f"{place} answer"]) for place in ("first", "second"))
    better = "tie" if first == second else "first" if first > second else "second"
    return json.dumps({"reason": "words", "better": better})


def first_always(prompt: str) -> str:
    """Prefer whatever is shown first; grade as `fair` does."""
    if "answer" in texts_in(prompt):
        return fair(prompt)
    return json.dumps({"reason": "it came first", "better": "first"})
