"""Patterns of orders to a model, in many languages. They are read on one line, so they are written on one."""

# ruff: noqa: E501
# fmt: off
_VERBS = r"(?:ignore|disregard|forget|override|bypass|skip|do not follow|don't follow|stop following)"

ORDERS = [
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
]
