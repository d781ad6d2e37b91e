"""How much of a text another one has: ROUGE-L and chrF.

Both are short and settled, and their usual packages are not worth a dependency; the tests compare with published
values.

ROUGE-L: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, section 3.1, with beta = 1 as the package
rouge-score has it. Words are those of this project (any script, case folded), without stemming; a script without spaces
gives pairs of characters.

chrF: Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015; 6 characters, beta = 2, white space
left out, orders averaged that both texts have, as in sacreBLEU.
"""

from collections import Counter

from llm_engineering.application.text.words import parts, words

ORDER, BETA = 6, 2.0


def rouge_l(reference: str, answer: str) -> float:
    """Return the F measure, between 0 and 1, of the longest common subsequence of words.

    >>> rouge_l("police killed the gunman", "police kill the gunman")
    0.75
    """
    first, second = _words(reference), _words(answer)
    common = _longest_common(first, second)
    return 2 * common / (len(first) + len(second)) if common else 0.0


def chrf(reference: str, answer: str, beta: float = BETA) -> float:
    """Return the F measure, between 0 and 1, of character n-grams; recall counts beta times as much as precision.

    >>> chrf("ab", "aa")
    0.25
    """
    wanted, given = "".join(reference.split()), "".join(answer.split())
    precision, recall, orders = 0.0, 0.0, 0
    for order in range(1, ORDER + 1):
        there, found = _grams(wanted, order), _grams(given, order)
        if there and found:
            common = (there & found).total()
            precision, recall, orders = precision + common / found.total(), recall + common / there.total(), orders + 1
    if not precision:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _words(text: str) -> list[str]:
    return [part for word in words(text) for part in parts(word.casefold())]


def _longest_common(first: list[str], second: list[str]) -> int:
    """Return the length of the longest common subsequence, in time |first| · |second| and memory |second|."""
    row = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = row[place]
            row[place] = diagonal + 1 if word == other else max(above, row[place - 1])
            diagonal = above
    return row[-1]


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))
