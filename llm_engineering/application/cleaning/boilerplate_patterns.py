"""The built-in patterns of boilerplate, English.

Each pattern must match a whole line, without its Markdown decoration, in any case. They are tight on purpose: a
sentence which merely mentions cookies, a newsletter or copyright law does not match.
"""

_NETWORK = (
    r"(?:facebook|twitter|x|linkedin|reddit|hacker news|whatsapp|telegram|mastodon|bluesky|pinterest|instagram"
    r"|youtube|e-?mail)"
)
_NETWORKS = rf"(?:{_NETWORK}(?:[,/|·•\s]+(?:and )?)?)+"
_POST = r"(?:post|article|page|story|video|thread)"
_LETTER = r"(?:newsletters?|mailing list|blog|channel|podcast|updates|feed|e-?mails?)"
_OUR_LETTER = rf"(?:(?:our|my|the|this) )?(?:(?:free|weekly|daily|monthly) )?{_LETTER}"
_TALLY = r"(?:likes?|comments?|claps?|shares?|followers?|views?|retweets?|restacks?|repl(?:y|ies))"
_NUMBER = r"\d[\d.,]*[km]?"
_BUTTON = (
    r"(?:subscribe|sign in|sign up|log in|register|share|like|comment|follow|save|copy link|menu"
    rf"|{_NETWORK})"
)
_CHOICE = r"(?:accept|reject|allow|decline|manage)"
_LEGAL = (
    r"(?:privacy(?: policy)?|terms of (?:service|use)|terms(?: (?:&|and) conditions)?|imprint|legal notice|contact us"
    r"|sitemap|do not sell my (?:personal )?info(?:rmation)?)"
)
_OR = r"\s*[|·•,/]\s*"
_END = r"\s*[.!…→»›>]*"

PATTERNS = (
    # Newsletters
    rf"(?:subscribe|sign up|register|join)(?: (?:now|here|today|for free|free))?{_END}",
    rf"(?:subscribe|sign up|register|join)(?: (?:now|here|free))? (?:to|for|via) {_OUR_LETTER}"
    rf"(?: (?:today|now|for free|below|here))?{_END}",
    r"(?:subscribe|sign up|enter your e-?mail)\b.{0,80}\b(?:newsletter|inbox|mailing list|new posts)\b.{0,60}",
    r"(?:get|receive|want) .{0,60}\b(?:(?:in|to) your inbox|our newsletter)\b.{0,40}",
    r"(?:thanks|thank you) for (?:reading|subscribing)\b.{0,80}\bsubscribe\b.{0,60}",
    r"(?:(?:type|enter) )?(?:your )?e-?mail(?: address)?(?: \(required\))?[*:.…]*",
    # Accounts and buttons
    r"(?:sign|log) ?(?:in|out|up)(?: (?:or|/|\|) (?:sign|log) ?(?:in|up))?|create (?:an )?account",
    rf"already (?:a|have an) (?:member|subscriber|account)\?(?: (?:sign|log) in)?{_END}",
    r"open in app|get (?:the )?app|get started(?: for free)?",
    rf"{_BUTTON}(?:[\s|·•,/]+{_BUTTON})+",
    # Sharing, likes and comments
    rf"share(?: this)?(?: {_POST})?(?: (?:on|via|with) (?:{_NETWORK}|your friends))?:?",
    rf"(?:share(?: on)?|follow(?: us| me)?(?: on)?|find us on|connect with (?:us|me)(?: on)?) {_NETWORKS}{_END}",
    r"follow(?: us| me)|tweet(?: this)?|copy link|pin it",
    rf"{_TALLY}(?: \(?{_NUMBER}\)?)?|{_NUMBER} {_TALLY}(?:{_OR}(?:{_NUMBER} )?{_TALLY}){{0,5}}",
    rf"{_TALLY}(?:{_OR}{_TALLY}){{1,5}}",
    r"leave a (?:comment|reply)|\d+ (?:comments?|responses?|thoughts on .*)|be the first to comment\W*",
    r"(?:post|view all|show|load more|no) comments?(?: \(\d+\))?(?: yet)?\.?",
    r"\d+ min(?:ute)?s? read(?:ing time)?|(?:estimated )?reading time:? ~?\d+ min(?:ute)?s?",
    # Cookies
    r"(?:this|our) (?:web)?site uses cookies\b.*|we (?:and our partners )?use cookies\b.*",
    r"by (?:continuing|using|browsing)\b.*\bcookies\b.*",
    rf"{_CHOICE}(?: all)?(?: cookies)?(?:{_OR}{_CHOICE}(?: all)?(?: cookies)?){{1,4}}|got it!?",
    rf"(?:{_CHOICE}|only)(?: (?:all|necessary|essential|optional))?(?: (?:cookies|preferences|and close))|accept all",
    r"cookie (?:policy|settings|preferences|notice|consent|statement)|manage consent|reject all",
    # Copyright and legal links
    r"(?:©|\(c\)|copyright)\s*(?:©|\(c\))?\s*(?:19|20)\d\d\b.{0,120}|.{0,100}\ball rights reserved\.?",
    r"(?:©|\(c\)) [\w .,&-]{1,60}",
    rf"{_LEGAL}(?:{_OR}[\w ]{{2,30}}){{0,8}}",
    # Navigation
    r"(?:home|start|blog|docs|documentation)(?:(?:\s*[>›»→]\s*|\s+/\s+)[^>›»/→.!?]{1,60}){1,8}",
    r"(?:skip|jump) to (?:main |the )?(?:content|navigation|search)|(?:back|return|scroll) to (?:the )?top\W*",
    r"(?:toggle|open|close|main|show|hide) (?:navigation|menu|sidebar|search|table of contents)|hamburger menu",
    rf"(?:continue reading|(?:read|learn|see|show|load|view) more|read the full {_POST})\W*",
    rf"(?:previous|next|older|newer|related|recommended|popular|recent|more|similar|trending) {_POST}s?\W*",
    r"(?:more|related|recommended) (?:stories|reading)\W*|you (?:may|might) also (?:like|enjoy)\W*",
    # Advertisements and tools
    r"advertisement|sponsored(?: content)?|(?:story|article) continues below(?: advertisement)?",
    r"powered by (?:substack|medium|wordpress|ghost|hugo|jekyll|sphinx|mkdocs|disqus)\W*",
    r"listen to this (?:article|post)|print(?: this)?(?: page| article)?",
)
