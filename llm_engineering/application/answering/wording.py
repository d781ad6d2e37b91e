"""The few sentences that answers say by themselves, in several languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Wording = Literal["en", "de", "fr", "es", "it", "pt", "nl", "ru", "zh", "ja"]


@dataclass(frozen=True, slots=True)
class Sentences:
    """`nothing`: the sources do not say. `nearest` comes before the numbers of the nearest passages, `unverified`
    before quotes that stand in for a model's answer."""

    nothing: str
    nearest: str
    unverified: str


SENTENCES: Mapping[Wording, Sentences] = MappingProxyType(
    {
        "en": Sentences(
            "The sources do not answer this question.",
            "The nearest passages:",
            "The model's answer could not be verified in the sources. This is what they say:",
        ),
        "de": Sentences(
            "Die Quellen beantworten diese Frage nicht.",
            "Die nächstliegenden Stellen:",
            "Die Antwort des Modells ließ sich in den Quellen nicht belegen. Diese sagen:",
        ),
        "fr": Sentences(
            "Les sources ne répondent pas à cette question.",
            "Les passages les plus proches :",
            "La réponse du modèle n'a pas pu être vérifiée dans les sources. Voici ce qu'elles disent :",
        ),
        "es": Sentences(
            "Las fuentes no responden a esta pregunta.",
            "Los pasajes más cercanos:",
            "La respuesta del modelo no se pudo verificar en las fuentes. Esto es lo que dicen:",
        ),
        "it": Sentences(
            "Le fonti non rispondono a questa domanda.",
            "I passaggi più vicini:",
            "La risposta del modello non ha trovato conferma nelle fonti. Ecco che cosa dicono:",
        ),
        "pt": Sentences(
            "As fontes não respondem a esta pergunta.",
            "As passagens mais próximas:",
            "A resposta do modelo não pôde ser verificada nas fontes. Isto é o que elas dizem:",
        ),
        "nl": Sentences(
            "De bronnen geven geen antwoord op deze vraag.",
            "De passages die het dichtst in de buurt komen:",
            "Het antwoord van het model kon niet in de bronnen worden geverifieerd. Dit is wat zij zeggen:",
        ),
        "ru": Sentences(
            "В источниках нет ответа на этот вопрос.",
            "Ближайшие фрагменты:",
            "Ответ модели не удалось подтвердить по источникам. Вот что в них сказано:",
        ),
        "zh": Sentences(
            "资料来源没有回答这个问题。",
            "最相关的段落：",
            "模型的回答无法在资料来源中得到证实。资料来源的原文如下：",
        ),
        "ja": Sentences(
            "この質問への答えは情報源にありません。",
            "最も近い箇所：",
            "モデルの回答は情報源で確認できませんでした。情報源には次のようにあります：",
        ),
    }
)
