"""Whether the passage of a row supports an answer, as far as words, numbers, names and quotes can tell."""

import re

from llm_engineering.application.answering.quotes import StoredText, prove, proves
from llm_engineering.application.instructions.grounding import grounding, says_something
from llm_engineering.application.instructions.settings import Gates
from llm_engineering.application.text.sentences import sentences
from llm_engineering.application.text.stems import Language
from llm_engineering.domain.documents import CleanedDocument

_QUOTED = re.compile(r"“([^”\n]{2,500})”|\"([^\"\n]{2,500})\"|«([^»\n]{2,500})»|„([^“”\n]{2,500})[“”]")


def supported(instruction: str, answer: str, passage: str, gates: Gates, language: Language) -> dict[str, float]:
    """Return what the passage says of an answer; nothing for a row without a passage.

    grounded: 1 where the gate of instruction data sets would let the answer in, else 0. support: the share of its words
    that the passage has. verbatim: the share of its sentences that stand in the passage word for word, of those long
    enough to prove anything. quotes: the same of what it puts in quotation marks, if it does. An answer
    without a word, stop words aside, is supported by nothing.
    """
    if not passage.strip():
        return {}
    if not says_something(answer, language):
        return {"grounded": 0.0, "support": 0.0, "verbatim": 0.0}
    found = grounding(instruction, answer, passage, language)
    passes = not found.strange and found.words >= gates.words and found.sentence >= gates.sentence
    stored = StoredText(CleanedDocument("passage", "", "", "text", passage, "", ""))
    said = [one for one in sentences(answer) if proves(one)]
    quoted = [part for match in _QUOTED.finditer(answer) for part in match.groups() if part and proves(part)]
    shares = {"verbatim": said, "quotes": quoted}
    return {"grounded": float(passes), "support": found.words} | {
        name: sum(prove(one, stored).verdict == "found" for one in parts) / len(parts)
        for name, parts in shares.items()
        if parts
    }
