"""How pages refuse their visitors: the words of block pages, paywalls and soft 404s, in several languages.

All patterns are for text as `plain` returns it: lower case, straight apostrophes, single blanks.
"""

import re

_YOU_ARE_HUMAN = r"(?:that |if )?(?:you are|you're) (?:an? )?(?:real )?(?:human|person|not an? (?:ro)?bot)"
_JAVASCRIPT = r"(?:javascript|js|cookies)(?: and (?:javascript|cookies|disable any ad blocker))?"
_BLOCKED = r"(?:temporarily |automatically )?(?:blocked|denied|limited|restricted|banned|flagged)"
_READ_ON = r"(?:continue|keep|finish|read|unlock|view|access|get (?:full |unlimited )?access)"
_SUBSCRIBE = r"(?:subscribe|register|sign (?:in|up)|log ?in|join|create (?:a|an|your) (?:free )?account)"
_SUBSCRIBERS = r"(?:our |paid |paying |premium |medium )*(?:subscribers|members|customers)"
_A_PAGE = r"(?:page|file|article|content|post|url|link|document|resource)"
_GONE = r"(?:not|n't|no longer|moved|removed|deleted|gone|missing)"


def plain(text: str) -> str:
    """Return the text as the patterns expect it."""
    return " ".join(text.lower().replace("’", "'").split())


def any_of(*phrases: str) -> re.Pattern[str]:
    """Compile alternatives into one pattern."""
    return re.compile("|".join(f"(?:{phrase})" for phrase in phrases))


# The whole title, or a whole part of it, of a page that lets nobody in.
BLOCK_TITLES = any_of(
    r"just a moment|(?:one more|un|einen|um|espere un) momento?",
    r"attention required|access denied|access to this page has been denied|(?:403 )?forbidden",
    r"(?:error )?(?:403|1020)(?: forbidden)?",
    r"(?:(?:you have been|request|you're) )?blocked",
    r"are you (?:a )?(?:human|robot)(?: (?:or|a) .*)?|robot or human",
    r"(?:human|bot|security|robot) (?:verification|check|challenge)|(?:vercel )?security checkpoint",
    rf"(?:please )?(?:verify|verifying|confirm) {_YOU_ARE_HUMAN}|(?:re)?captcha",
    r"pardon our interruption|making sure you're not a bot",
    r"ddos-guard|ddos protection.*|checking your browser.*",
    r"(?:javascript|cookies?) (?:is |are )?(?:required|disabled)",
    r"(?:please )?enable (?:javascript|cookies)(?: .*to .*)?",
    r"(?:请完成)?安全验证|人机验证|访问被拒绝|アクセスが拒否されました",
)

# What block pages say to their visitor.
BLOCK_PROMPTS = any_of(
    rf"(?:verify|verifying|confirm|prove|checking) {_YOU_ARE_HUMAN}",
    r"checking (?:your browser|if the site connection is secure)",
    rf"(?<!how to )(?:enable|turn on|allow) {_JAVASCRIPT}(?: (?:in|on) your browser)?(?: (?:to|and|then)\b|\W*$)",
    rf"(?:requires?|needs?|need to enable|must enable) {_JAVASCRIPT}",
    r"javascript (?:is|must be) (?:disabled|required|enabled|turned off|not enabled)",
    rf"you (?:have been|were|are) {_BLOCKED}",
    rf"your (?:ip|access|request|computer|device|network)[\w ]{{0,30}} (?:has been|was|is) {_BLOCKED}",
    r"access (?:to this (?:page|site|website|resource) )?(?:is |has been |was )?(?:denied|blocked|forbidden)",
    r"(?:do not|don't) have (?:permission|authorization) to (?:access|view)",
    r"unusual (?:traffic|activity) (?:from|has been|coming)",
    r"(?:complete|solve|pass) (?:the|this|a) (?:security check|captcha|challenge|puzzle)",
    r"press (?:&|and) hold|i(?:'| a)m not a robot",
    r"(?:review|needs to review) the security of your connection|security service to protect (?:itself|against)",
    r"(?:wait|stand by)[\w ,]{0,40}(?:verif|check|redirect)",
    r"(?:making|make) sure (?:that )?you(?:'re| are) (?:not a bot|a human|human)",
    r"you are being (?:redirected|rate.limited)|too many requests",
    r"vérifi(?:ez|er)[\w' ]{0,30}(?:humain|robot)|activer javascript",
    r"bestätigen sie[\w, ]{0,30}(?:mensch|kein roboter)|aktivieren sie javascript",
    r"javascript (?:ist deaktiviert|aktivieren)",
    r"(?:verifi(?:ca|que)|confirm[ae])[\w ]{0,30}(?:humano|robot)|(?:habilit|activ)[ae] javascript",
    r"подтвердите, что вы (?:не робот|человек)|включите javascript",
    r"(?:完成|进行|進行)(?:安全|人机|人機)(?:验证|驗證)|启用 ?javascript|ロボットではありません|javascript ?を有効",
)

# Of such words block pages are made: nearly every sentence has one.
BLOCK_WORDS = any_of(
    r"captcha|\bhuman\b|\b(?:ro)?bots?\b|automated|javascript|\bcookies?\b|\bbrowser\b|\bsecurity\b|\baccess\b",
    r"denied|\bblock(?:ed|er|ing)?\b|permission|unusual|suspicious|verif|challenge|cloudflare|\bray id\b|\breference\b",
    r"refresh|reload|\byour ip\b|\bip address\b|firewall|ddos|forbidden|incident|support id|moment|press|connection",
    r"redirect|rate.limit|too many requests|netzwerk|mensch|humain|humano|робот|验证|驗證|ロボット",
)

# In the <noscript> of an otherwise bare page. That comments need JavaScript says nothing about the page.
NEEDS_JAVASCRIPT = re.compile(
    r"(?=.*javascript)(?!.*(?:comments|disqus))"
    r".*(?:enable|requires?|need|turn on|activ|without|work|run|aktivier|habilit|включ|启用|有効)"
)

# What stands in a line of its own where a text is cut off.
PAYWALL_PROMPTS = any_of(
    rf"{_SUBSCRIBE}(?: now| today| for free| or (?:sign|log) in)? to {_READ_ON}\b",
    rf"to (?:continue|keep|finish) reading[\w ,]{{0,40}}(?:{_SUBSCRIBE}|become|purchase|buy)",
    r"(?:continue|keep) reading (?:your article )?(?:with|for|by) (?:a |your )?(?:\w+ )?(?:subscri|trial|[$€£])",
    r"while we verify access",
    rf"this (?:article|content|story|post|page|report) is[\w ]{{0,40}} (?:for|to) {_SUBSCRIBERS}(?! (?:of|who|to)\b)",
    r"^(?:this is a )?(?:member|subscriber|premium)s?[- ]only (?:story|article|content|post)$",
    r"(?:for|available to) (?:paid |paying |medium )(?:subscribers|members) only",
    r"made this story available to \w+ members only",
    r"you(?:'ve| have) (?:reached|used|hit|read) (?:your|all|the)[\w ]{0,40}(?:limit|articles|stories)",
    r"(?:read|unlock) the (?:full|rest of (?:this|the)|whole|entire) \w+[\w ]{0,20}(?:subscri|member|account|trial)",
    r"(?:subscribe|upgrade) (?:now )?(?:to|for) (?:unlock|unlimited|full) ?(?:digital )?(?:access|this|article)?",
    r"become an? (?:paid )?(?:member|subscriber) to (?:read|continue|unlock|access)",
    r"nur für (?:abonnenten|mitglieder|registrierte)|weiterlesen mit|jetzt (?:abonnieren|testen) und weiterlesen",
    r"réservée? (?:aux|à nos) abonnés|abonnez-vous pour (?:lire|continuer|accéder)|il vous reste [\d., ]+ ?% ",
    r"exclusivo para (?:suscriptores|socios)|suscríbe(?:te|se) para (?:seguir|continuar|leer)",
    r"(?:только|доступн\w+) (?:для|по) подписчик|оформите подписку, чтобы",
    r"订阅后(?:继续)?阅读|(?:有料|会員)(?:会員)?限定|続きを読むには",
)

# The whole title, or a whole part of it, where a page should be.
NOT_FOUND_TITLES = any_of(
    r"(?:error|http|oops|erreur|fehler|ошибка)?\W*404\W*(?:error|(?:page |file )?not found|seite nicht gefunden)?",
    rf"(?:(?:the|this|that|sorry|oops|uh-?oh|error|404)\W+)*{_A_PAGE}?(?: you requested| requested)?"
    r"(?: was| is| could| can| can't| cannot)? ?(?:not (?:be )?found|be found|(?:not|no longer) available|unavailable)",
    rf"(?:(?:the|this|that)\W+)?{_A_PAGE} (?:doesn't|does not) exist",
    r"(?:we )?(?:can't|cannot|couldn't) find (?:that|the|this|your|what)[\w' ]{0,30}",
    r"nothing (?:was )?found(?: here)?|nothing here",
    r"seite nicht gefunden|(?:die )?seite existiert nicht|page (?:introuvable|non trouvée)|página no encontrada",
    r"pagina non trovata|pagina niet gevonden|página não encontrada|страница не найдена|sidan hittades inte",
    r"页面(?:不存在|未找到|没有找到)|找不到(?:页面|頁面|该页面)",
    r"ページが見つかりません(?:でした)?|페이지를 찾을 수 없습니다",
)

# What a soft 404 says to its visitor.
NOT_FOUND_PROMPTS = any_of(
    rf"{_A_PAGE}[\w ,']{{0,25}} (?:you(?:'re| are| were)? (?:looking|trying|request)|requested|you've followed)"
    rf"[\w ,']{{0,60}}?{_GONE}",
    rf"(?:we|you) (?:can't|cannot|couldn't|could not) (?:find|locate) (?:th(?:e|is|at) )?(?:{_A_PAGE}|what) you",
    rf"{_A_PAGE}(?: you requested)? (?:can't|cannot|could not|couldn't) be found",
    rf"(?:this|the|that|requested) {_A_PAGE}[\w ]{{0,30}} (?:does not|doesn't|no longer) exist",
    rf"(?:this|the) {_A_PAGE} (?:has been|was|may have been|might have been|is no longer)[\w ,]{{0,20}}"
    r"(?:removed|deleted|moved|available|unpublished)",
    r"(?:requested|the) url [\w/.\- ]{0,120}was not found",
    r"(?:seite|inhalt|artikel)[\w ,]{0,40}(?:nicht (?:gefunden|mehr)|existiert nicht)",
    r"(?:page|article)[\w' ]{0,40}(?:n'existe (?:pas|plus)|introuvable)",
    r"página[\w ]{0,40}no (?:existe|se encuentra|se ha encontrado)",
    r"страниц\w* [\w ,]{0,40}(?:не найден|не существует)",
    r"页面不存在|您访问的页面|找不到您|お探しのページ|指定されたページ",
)
