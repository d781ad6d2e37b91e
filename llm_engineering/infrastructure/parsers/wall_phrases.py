"""The words of login walls, consent walls, maintenance pages and parked domains, in several languages.

All patterns are for text as `plain` returns it: lower case, straight apostrophes, single blanks.
"""

from llm_engineering.infrastructure.parsers.phrases import any_of

_SIGN_IN = r"(?:sign|log)[ -]?(?:in|on)"
_SITE = (
    r"(?:(?:the|this|our|your)? ?(?:\w+ )?"
    r"(?:web ?site|site|page|service|server|system|store|shop|app(?:lication)?|portal)|we)"
)
_DOMAIN = r"(?:domain(?: name)?|web ?address|web ?site)"
_NAME = r"[\w\-]+(?:\.[\w\-]+)+"
_IS = r"(?:is|may be|might be|could be) (?:available )?(?:now )?"

# The whole title, or a whole part of it.
LOGIN_TITLES = any_of(
    rf"(?:please )?(?:{_SIGN_IN}|login|signin)"
    r"(?: (?:page|form|required|to (?:your )?[\w.' ]{1,40}|or (?:register|sign up|join).*))?",
    rf"{_SIGN_IN} (?:and|or|to) .{{1,40}}|(?:member|user|customer|account|admin|secure|client) (?:login|{_SIGN_IN})",
    rf"(?:authentication|authorization|{_SIGN_IN}) (?:is )?required|single sign[ -]?on|welcome back",
    r"log ?in .{1,3} sign up",
    r"(?:jetzt )?(?:anmelden|anmeldung|einloggen)|(?:se )?connexion|connectez-vous|se connecter|iniciar sesión",
    r"acceder",
    r"accedi|inloggen|aanmelden|logga in|zaloguj się|вход|войти|авторизация|登录|登入|ログイン|로그인",
)
LOGIN_PROMPTS = any_of(
    rf"(?:you (?:must|need to|have to)(?: be)?|please) (?:{_SIGN_IN}|logged[ -]?(?:in|on)|signed[ -]?in)",
    rf"{_SIGN_IN} (?:to|with|using) (?:continue|your|an?|view|access|see|proceed|google|facebook|apple|github|sso)",
    r"(?:forgot|lost|reset)(?: (?:your|my))?(?: username or)? (?:password|email)|don't have an account",
    r"no account yet",
    r"(?:enter|use) your (?:\w+ ){0,3}(?:password|credentials|account)|stay signed in|remember me",
    r"keep me (?:logged|signed) in",
    r"bitte (?:melden sie sich|loggen sie sich)|passwort vergessen|mot de passe oublié|olvidó su contraseña",
)
LOGIN_WORDS = any_of(
    rf"\b{_SIGN_IN}\b|\blogin\b|\bsigned in\b|\blogged in\b|password|passcode|user ?name|e-?mail|\baccounts?\b",
    r"\bregister\b",
    r"sign up|remember me|credential|\bsso\b|single sign|continue with|two-factor|verification code|\bjoin\b",
    r"phone number",
    r"passwort|anmeld|benutzer|konto|mot de passe|connexion|compte|contraseña|sesión|cuenta|парол|войти",
    r"密码|登录|ログイン",
)

CONSENT_TITLES = any_of(
    r"before you continue(?: to .{1,40})?|(?:we value|about) your privacy",
    r"your privacy(?: matters| choices| settings)?",
    r"(?:cookies?|privacy)(?: and (?:cookies?|privacy))? (?:consent|settings|preferences|choices|wall)",
    r"consent(?: required)?",
    r"(?:yahoo|google) ?(?:is part of the yahoo family of brands|consent)|this site uses cookies|we use cookies",
    r"bevor sie fortfahren|bevor sie zu .{1,40} weitergehen|datenschutzeinstellungen|avant d'accéder à .{1,40}",
    r"antes de continuar",
)
# The whole text of a button or a line.
CONSENT_CHOICES = any_of(
    r"(?:accept|reject|allow|decline|deny|refuse|agree to)"
    r"(?: (?:to )?(?:all|cookies|all cookies|and (?:close|continue)))?",
    r"(?:i )?(?:agree|accept|consent|disagree)(?: (?:and|&) (?:continue|close|proceed))?",
    r"(?:only|use) (?:necessary|essential).*",
    r"(?:accept all|reject all)(?: cookies)?\W+.{1,60}|alle (?:akzeptieren|ablehnen)|akzeptieren|zustimmen.*",
    r"tout (?:accepter|refuser)",
    r"aceptar(?: tod[oa]s?)?|rechazar(?: tod[oa]s?)?|accetta(?: tutti)?|alles accepteren|принять(?: все)?|全部接受",
    r"すべて同意する",
)
CONSENT_WORDS = any_of(
    r"cookies?\b|consent|privacy|\bpartners\b|\bvendors\b|accept all|reject all|^accept$|^reject$|personali[sz]ed",
    r"\bgdpr\b|more options",
    r"your data|preferences|manage (?:options|settings|choices)|legitimate interest|advertis|before you continue",
    r"\bagree\b|i accept",
    r"audience|\bterms\b|measure|track outages|improve (?:our|new)|more information|tailor|age-appropriate|\bads\b",
    r"datenschutz|akzeptieren|ablehnen|einwillig|zustimm|confidentialité|accepter|refuser|privacidad|aceptar",
    r"rechazar",
)

_KINDS = "scheduled|planned|routine|regular|urgent|emergency|essential|some|system|server|site|database"
_DOWN = (
    r"(?:(?:down|closed|offline|unavailable|not available) (?:for|due to|because of)"
    r"|under|undergoing|performing|doing|carrying out)"
)
_MAINTENANCE = rf"(?:(?:{_KINDS}) )*maintenance"
MAINTENANCE_TITLES = any_of(
    r"(?:sorry,? )?we(?:'ll| will) be (?:right |online )?back(?: (?:soon|shortly|online))*(?: .{1,20})?",
    r"be right back|back soon",
    rf"(?:{_SITE}(?:'re| is| are)? )?(?:currently |temporarily )?{_DOWN} {_MAINTENANCE}",
    r"(?:website |site |scheduled |system |server )?maintenance(?: mode| in progress| page| break)?",
    r"(?:503 )?(?:service|site|website) (?:is )?(?:temporarily |currently )?unavailable",
    r"temporarily (?:unavailable|offline|down)",
    r"wartungsarbeiten|(?:site )?en maintenance|en mantenimiento|in manutenzione|технические работы",
    r"维护中|系统维护|メンテナンス中",
)
MAINTENANCE_PROMPTS = any_of(
    r"we(?:'ll| will| expect to| should| hope to) be (?:right |online )?(?:back|up)"
    r" (?:soon|shortly|online|up|and running|in|at)",
    rf"(?:{_SITE}(?:'re| is| are)?|are|is) (?:currently |temporarily |now )*{_DOWN} {_MAINTENANCE}",
    r"(?:check|come|try) (?:back|again) (?:soon|shortly|later|in a (?:few|while))",
    r"sorry for (?:the|any) inconvenience",
    r"bald wieder (?:da|für sie da|erreichbar)|de retour (?:bientôt|très vite)|volveremos pronto|скоро вернёмся",
    r"скоро вернемся",
)
MAINTENANCE_WORDS = any_of(
    r"maintenance|be back|be right back|back (?:soon|shortly|online|later)|inconvenience|unavailable|temporarily",
    r"patience|upgrad",
    r"try again|down for|\boffline\b|improvements|come back|wartung|mantenimiento|manutenzione|维护|維護|メンテナンス",
)

PARKED_TITLES = any_of(
    rf"(?:.{{0,60}} )?(?:{_DOMAIN}|{_NAME}|{_DOMAIN} {_NAME}) {_IS}for sale.{{0,20}}",
    rf"(?:buy|get|own) (?:this|the) {_DOMAIN}|(?:premium )?{_DOMAIN} (?:for sale|parked|parking)",
    r"parked (?:domain|page).{0,30}",
    r"(?:diese )?domain (?:zu verkaufen|steht zum verkauf)|(?:ce )?(?:nom de )?domaine (?:est )?à vendre",
    r"dominio en venta",
)
PARKED_PROMPTS = any_of(
    rf"(?:this|the|your)? ?(?:premium )?{_DOMAIN} (?:{_NAME} )?{_IS}(?:for sale|available for purchase|parked)",
    rf"\b{_NAME} {_IS}for sale",
    rf"(?:buy|get|own|purchase|acquire|interested in|inquire about|make an offer (?:on|for)) (?:this|the) {_DOMAIN}",
    rf"this {_DOMAIN} (?:has been|was|is) (?:recently |newly |just )?(?:registered|parked|reserved|expired)",
    rf"(?:the )?owner of (?:this|the) {_DOMAIN}|parked (?:free|for free|courtesy)|domain (?:has|is) expired",
    r"(?:diese )?domain (?:steht )?zu[mr]? verkauf|domaine est à vendre|dominio está en venta|домен продаётся",
    r"домен продается|域名出售",
)
PARKED_WORDS = any_of(
    r"domain|for sale|make (?:an )?offer|buy now|related (?:searches|links)|registrar|web ?address|parked",
    r"\bowner\b|broker|\bescrow\b",
    r"installment|purchase|privacy policy|web ?hosting|\bwebsite\b|[\w\-]+\.(?:com|net|org|io|example|co|ai)\b",
)
