"""Real and fabricated quotes of real and made-up documents, each with what it must not, or must, be taken for."""

import json
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.application.text.sentences import sentences

FOREIGN = [
    "東京は日本の首都です。人口は約千四百万人です。毎年多くの観光客が訪れます。地下鉄はとても便利です。",
    "北京是中国的首都。这座城市有三千多年的历史。每天有超过一千万人乘坐地铁。故宫每周一不开放。",
    "서울은 대한민국의 수도이다. 인구는 약 940만 명이다. 지하철 노선은 모두 아홉 개가 있다. 한강이 도시를 가로지른다.",
    "दिल्ली भारत की राजधानी है। यहाँ लगभग तीन करोड़ लोग रहते हैं। मेट्रो में 288 स्टेशन हैं। लाल किला सोमवार को बंद रहता है।",
    "القاهرة هي عاصمة مصر. يبلغ عدد سكانها حوالي 10 ملايين نسمة. يفتح المتحف أبوابه في الساعة التاسعة صباحا كل يوم.",
    "ירושלים היא עיר עתיקה מאוד. המוזיאון פתוח בין השעות 9 ל-17 בכל יום. הכניסה לילדים עד גיל 12 היא חינם.",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย มีประชากรประมาณ 10 ล้านคน รถไฟฟ้าเปิดให้บริการทุกวัน",
    "Ba\u0301nh mi\u0300 la\u0300 mo\u0323\u0302t mo\u0301n a\u0306n no\u0302\u0309i tie\u0302\u0301ng cu\u0309a Vie\u0323\u0302t Nam. Gia\u0301 khoa\u0309ng 20000 đồng mo\u0323\u0302t o\u0302\u0309.",  # noqa: E501
    "L’office de tourisme est ouvert de 9\u00a0h à 18\u00a0h tous les jours. L’entrée coûte 12,50\u00a0€ pour les adultes\u202f!",  # noqa: E501
    "Die Prüfung dauert 90 Minuten – Taschen\u00adrechner sind erlaubt. Straßenbahnen fahren alle 7 Minuten zum Bahnhof.",  # noqa: E501
    "The o\ufb03ce \ufb01les are kept for 10 years 👩🏽‍💻. The \ufb02ight leaves at 06:45 from gate B12 🇯🇵 every day.",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A quote, the document that it is said to be from, and how it was made."""

    quote: str
    text: str
    how: str
    real: bool


def texts(faq: Path) -> list[str]:
    entries = [entry for course in json.loads((faq / "documents.json").read_text()) for entry in course["documents"]]
    found = [entry["text"] for entry in entries if len(entry["text"]) > 300]
    return [*random.Random(7).sample(found, 90), *FOREIGN]


def cases(texts: list[str]) -> Iterator[Case]:
    """Yield over a thousand quotes."""
    chance = random.Random(11)
    for position, text in enumerate(texts):
        said = [one for one in sentences(text) if 25 <= len(one) <= 400]
        for one in chance.sample(said, min(2, len(said))):
            for how, quote in _real(one, text):
                yield Case(quote, text, how, real=True)
            other = texts[(position + 1) % len(texts)]
            for how, quote in _fabricated(one, text, other, chance):
                yield Case(quote, text, how, real=False)


def _real(one: str, text: str) -> Iterator[tuple[str, str]]:
    yield "exact", one
    yield "spaced otherwise", re.sub(r"\s+", "\n  ", one)
    yield "in quotation marks", f"“{one}”"
    yield "typed", one.translate(str.maketrans("’‘“”–\u00a0\u202f", "''\"\"-  ")).replace("\u00ad", "")
    words = one.split(" ")
    if (
        len(words) > 9
        and not _denies(" ".join(words[:3]))
        and not re.search(r"[\d*_`/.-]", words[2] + words[3] + words[-3])
    ):
        yield "a part", " ".join(words[3:-2])
    yield "decomposed", unicodedata.normalize("NFD", one)
    yield "composed", unicodedata.normalize("NFC", one)


def _denies(text: str) -> bool:
    return re.search(r"not|n.t\b|no\b|never|without", text, re.IGNORECASE) is not None


def _fabricated(one: str, text: str, other: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    words = one.split(" ")
    for place in [found.span() for found in re.finditer(r"\d", one)][:2]:
        changed = str((int(one[slice(*place)]) + chance.randint(1, 9)) % 10)
        yield "a digit changed", one[: place[0]] + changed + one[place[1] :]
    for found in list(re.finditer(r"\d+", one))[:1]:
        yield "a digit added", one[: found.end()] + "0" + one[found.end() :]
        yield (
            "a number cut",
            one[found.start() + 1 :] if found.end() - found.start() > 1 else one[: found.start()] + "99",
        )
    if len(words) > 5 and all(words):
        middle = len(words) // 2
        yield "a word changed", " ".join([*words[:middle], "penguins", *words[middle + 1 :]])
        yield "a word left out", " ".join([*words[:middle], *words[middle + 1 :]])
        yield "a negation put in", " ".join([*words[:middle], "not", *words[middle:]])
        yield (
            "two words swapped",
            " ".join([*words[:2], words[3], words[2], *words[4:]]) if words[2] != words[3] else "never said this",
        )
        yield "translated", "En otras palabras, " + " ".join(reversed(words))
        yield "upper case", one.upper() if one.upper() != one else "nobody said this here"
    else:
        half = len(one) // 2
        yield "a character changed", one[:half] + "鯨" + one[half + 1 :]
        yield "a character left out", one[:half] + one[half + 1 :] if one[half] != one[half - 1] else "never said this"
        yield "a negation put in", one[:half] + "不" + one[half:]
    for denial in re.finditer(r"\b(?:not |never |no |don[’']t |cannot )", one):
        yield "a negation left out", one[: denial.start()] + one[denial.end() :]
        yield "said after the negation", one[denial.end() :]
    rest = [sentence for sentence in sentences(text) if len(sentence) > 20 and sentence != one]
    if len(rest) > 1:
        far = rest[-1] if text.find(rest[-1]) > text.find(one) + len(one) + 1 else rest[0]
        yield "joined from two places", f"{far} {one}" if text.find(far) > text.find(one) else f"{one} {far}"
        yield "with an ellipsis", f"{one[: len(one) // 2]} … {far}"
    yield "from another document", max(sentences(other), key=len)
    yield "a part of a word", one[:-2] if one[-3:].isalpha() and one.isascii() else "not said here at all"
