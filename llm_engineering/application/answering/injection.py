"""Instructions in retrieved text: a passage is data, and one that gives orders is flagged.

Patterns cannot find every injection. What protects is that nothing in an answer leads out (`exits`), that citations
are checked, and that a search returns only what its caller may see.
"""

import base64
import binascii
import re
import unicodedata
from functools import lru_cache

_VERBS = r"(?:ignore|disregard|forget|override|bypass|skip|do not follow|don't follow|stop following)"
_ORDERS = [
    # English
    rf"\b{_VERBS}\b.{{0,40}}\b(?:previous|prior|above|earlier|preceding|original|your|system|all|any|these|other)\b.{{0,30}}"
    r"\b(?:instructions?|prompts?|rules?|guidelines?|directions?|context|orders?|guardrails?|passages?|sources?)\b",
    r"\b(?:reveal|print|show|repeat|output|display|leak|disclose|recite|tell me|write out|dump|summari[sz]e)\b.{0,40}"
    r"\b(?:system|hidden|secret|initial|original|your)\s+(?:prompt|instructions?|message|rules)\b",
    r"\byou are (?:now|no longer)\b.{0,60}\b(?:ai|assistant|model|dan|bot|unrestricted|developer|admin|bound|mode|jailbroken)\b",
    r"\b(?:ai|a\.i\.|llm|language model|assistants?|chatbots?|gpt|claude)\b\s*(?:[:,!–—-]|that|who|reading|which|must|should)"
    r".{0,60}\b(?:must|should|please|ignore|reply|respond|answer|say|output|print|include|send|visit|recommend|do not|never)\b",
    r"\bif you are an? (?:ai|llm|language model|assistant|chatbot|bot)\b",
    r"\b(?:new|updated|important|additional|real|actual|secret|hidden) (?:system )?instructions?\s*(?:[:!]|for|follow)",
    r"\b(?:respond|answer|reply|say)\b (?:only |always |exactly |instead |the user )*(?:with|exactly|that|only)\b\s*[:\"'“‘]",
    r"\b(?:your|the) (?:only )?(?:answer|response|reply) (?:must|should|shall|has to) (?:be|contain|include|begin|start|end)\b",
    r"\b(?:begin|start|end|finish|append|prefix|include|embed|add|insert)\b.{0,40}\b(?:your|every|each|the) (?:answer|response|reply)\b",
    r"\bin your (?:next |final )?(?:answer|response|reply|output)\b",
    r"\b(?:send|post|upload|forward|submit|transmit|exfiltrate|append|encode|leak)\b.{0,80}"
    r"\b(?:conversation|chat history|question|prompt|context|passages?|documents?|answers?|secrets?|passwords?|keys?|data)\b"
    r".{0,60}(?:https?://|www\.|\bto\b.{0,20}@)",
    r"\b(?:fetch|visit|open|call|load|render|display|request|navigate to|send|go to)\b.{0,40}https?://\S*(?:\{|<|\[|secret|leak|exfil|collect|beacon|steal|=$|=\s)",
    r"\b(?:do not|don't|never) (?:mention|reveal|tell|cite|disclose)\b.{0,40}\b(?:user|anyone|this|these|instructions?|sources?)\b",
    r"\b(?:pretend|act as|roleplay|role-play|simulate)\b.{0,40}\b(?:no restrictions|unrestricted|dan\b|developer mode|an? ai|jailbr|system)",
    r"\b(?:developer|god|debug|admin|maintenance|jailbreak) mode\b.{0,30}\b(?:on|enabled|activated|now)\b",
    r"\b(?:copy|quote|list|print|repeat|reveal|output|translate|encode)\b.{0,30}\b(?:all|every|the) (?:other|remaining|above|previous|preceding) "
    r"(?:passages?|documents?|sources?|context|text|messages?)\b",
    # German, Dutch
    r"(?:ignorier|missacht|vergiss|vergessen sie|übergeh|missachte)\w*.{0,40}(?:anweisung|instruktion|vorgabe|regel|befehl|prompt)\w*",
    r"(?:zeig|gib|verrate|drucke|wiederhol|nenne)\w*.{0,40}(?:system-?prompt|systemanweisung|anweisungen|systemnachricht)",
    r"(?:antworte|antworten sie|sage|schreibe) (?:nur|immer|ausschließlich|stattdessen) ?(?:mit)?\s*[:„\"'‚]",
    r"(?:negeer|vergeet|omzeil)\w*.{0,40}(?:instructies|aanwijzingen|regels|opdrachten)",
    # French, Spanish, Portuguese, Italian
    r"(?:ignore[rz]?|oublie[rz]?|néglige[rz]?|ne (?:tiens|tenez) pas compte).{0,50}(?:instructions?|consignes?|règles|directives|invites?)",
    r"(?:affiche|révèle|montre|répète|imprime|divulgue)[rz]?.{0,40}(?:invite système|prompt|instructions|message système|consignes)",
    r"(?:ignor[ae]d?|ignorar|olvid[ae]d?|olvidar|descart[ae]|esque[cç]a|desconsider[ea]).{0,50}(?:instrucciones|instruções|indicaciones|reglas|regras|órdenes)",
    r"(?:revela|muestra|imprime|mostre|revele|repite|repita).{0,40}(?:prompt|instrucciones|instruções|mensaje del sistema)",
    r"(?:ignora|dimentica|trascura)(?:te|re)?.{0,50}(?:istruzioni|regole|indicazioni|direttive)",
    r"(?:mostra|rivela|stampa|ripeti).{0,40}(?:prompt|istruzioni|messaggio di sistema)",
    # Russian, Ukrainian, Polish, Turkish
    r"(?:игнорируй|игнорировать|забудь|проигнорируй|не следуй|ігноруй)\w*.{0,50}(?:инструкци|указани|правил|команд|підказ|інструкц)\w*",
    r"(?:покажи|выведи|раскрой|напечатай|повтори).{0,40}(?:системн\w+|инструкци\w+|промпт)",
    r"(?:zignoruj|ignoruj|zapomnij|pomiń).{0,50}(?:instrukcj|polece|zasad|wskazów)\w*",
    r"(?:önceki|yukarıdaki|tüm).{0,30}(?:talimat|yönerge|kural|komut)\w*.{0,30}(?:yok say|unut|görmezden|dikkate alma)",
    # Chinese, Japanese, Korean, Arabic, Hindi, Vietnamese
    r"(?:忽略|无视|無視|忘记|忘記|不要遵守|不要理会|绕过).{0,20}(?:指令|指示|说明|說明|规则|規則|提示|命令|要求|内容)",
    r"(?:显示|顯示|输出|輸出|打印|透露|泄露|告诉我|重复).{0,15}(?:系统提示|系統提示|系统指令|提示词|提示詞|你的指令)",
    r"(?:指示|命令|指令|ルール|プロンプト|説明)(?:を|は|に)?.{0,10}(?:無視|忘れ|従わない|無効)",
    r"(?:システムプロンプト|システム指示|初期指示).{0,15}(?:表示|出力|教え|開示|公開|繰り返)",
    r"(?:지시|명령|규칙|지침|프롬프트)\S{0,3}.{0,15}(?:무시|잊어|따르지)",
    r"(?:시스템\s?프롬프트|시스템\s?지시).{0,15}(?:출력|보여|공개|알려|반복)",
    r"(?:تجاهل|انس|تجاوز|لا تتبع).{0,40}(?:التعليمات|الأوامر|القواعد|تعليمات|التوجيهات|السابقة)",
    r"(?:निर्देश|आदेश|नियम)\S*.{0,30}(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल)",
    r"(?:bỏ qua|phớt lờ|quên).{0,40}(?:hướng dẫn|chỉ dẫn|quy tắc|lệnh|chỉ thị)",
    # Role tokens and the markup of prompts
    r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|passages?|instructions?)>|</(?:context|user|documents?)>",
    r"(?:^|\n)\s*#{0,3}\s*(?:system|assistant|developer)\s*(?:prompt|message|instructions?|override)?\s*:",
    r"\b(?:begin|end|start) (?:of )?(?:system|passages?|context|documents?|sources|data) ?(?:prompt|message|instructions?|block)?\s*(?:\]|-{2,}|={2,}|>{2,})",
    # An image whose address carries something away
    r"!\[[^\]\n]*\]\(\s*<?(?:https?:)?//[^)\s]*(?:[?#{=]|beacon|track|pixel|collect|log\b)",
    r"<img\b[^>]*\bsrc\s*=\s*[\"']?(?:https?:)?//[^>]*(?:[?{=]|beacon|track|pixel)",
]  # fmt: skip
_ORDER = re.compile("|".join(f"(?:{order})" for order in _ORDERS), re.IGNORECASE)
_HIDDEN = re.compile(
    "[\u202a-\u202e\u2066-\u2069]|[\U000e0020-\U000e007f]{2,}|(?:[\u200b-\u200d\u2060-\u2064\ufeff][^\\w]?){4,}"
    r"|<!--(?s:.{0,400}?)\b(?:ignore|instruct|system|assistant|prompt)\b"
    r"|style\s*=\s*[\"'][^\"']*(?:display\s*:\s*none|font-size\s*:\s*0|opacity\s*:\s*0|visibility\s*:\s*hidden)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]")  # fmt: skip
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){20,}")
_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]){6,}[a-z]\b", re.IGNORECASE)
_LOOKALIKE = str.maketrans("аеорсухіјѕԁһοαν0134", "aeopcyxijsdhoavoiea")
_MOST_BLOBS = 20


@lru_cache(maxsize=4_096)
def is_injected(text: str) -> bool:
    """Tell whether a text gives orders to a model, hides something from its reader, or carries orders in code."""
    if _HIDDEN.search(text):
        return True
    read = _read(text)
    return gives_orders(read) or any(gives_orders(decoded) for decoded in _decoded(text))


def gives_orders(read: str) -> bool:
    """Tell whether a text, as a model reads it, holds one of the known orders; letters that look alike are the same."""
    if _ORDER.search(read):
        return True
    alike = read.lower().translate(_LOOKALIKE)
    return alike != read.lower() and not read.isascii() and _mixed(read) and _ORDER.search(alike) is not None


def _mixed(text: str) -> bool:
    """Tell whether a word mixes Latin letters with Greek or Cyrillic ones."""
    return re.search(r"[a-zA-Z][\u0370-\u052f]|[\u0370-\u052f][a-zA-Z]", text) is not None


def _read(text: str) -> str:
    """Return a text as a model reads it: normal form, on one line, nothing invisible, spelt-out words joined."""
    text = _TAGS.sub(lambda found: "".join(chr(ord(tag) - 0xE0000) for tag in found[0]), text)
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    text = _SPACED.sub(lambda found: re.sub(r"[ .\-_*]", "", found[0]), text)
    return re.sub(
        r"[*_`~]{1,3}(?=\w)|(?<=\w)[*_`~]{1,3}|[^\S\n]+", lambda found: " " if found[0].isspace() else "", text
    )


def _decoded(text: str) -> list[str]:
    """Return what blobs of base64 or hexadecimal digits hold, where that is text."""
    blobs = [*_BASE64.findall(text)[:_MOST_BLOBS], *_HEX.findall(text)[:_MOST_BLOBS]]
    return [decoded for blob in blobs for decoded in _texts_in(blob)]


def _texts_in(blob: str) -> list[str]:
    found = []
    for decode in (
        lambda: base64.b64decode(
            blob.rstrip("=") + "=" * (-len(blob.rstrip("=")) % 4), altchars=b"-_" if set(blob) & set("-_") else None
        ),  # fmt: skip
        lambda: bytes.fromhex(re.sub("[ :]", "", blob)),
    ):
        try:
            decoded = decode().decode("utf-8")
        except (binascii.Error, ValueError):  # not of this kind
            continue
        if decoded.isprintable() or "\n" in decoded:
            found.append(_read(decoded))
    return found
