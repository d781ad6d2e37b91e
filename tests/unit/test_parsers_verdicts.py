"""Pages that refuse, and pages that only speak of refusing. All of them are written here."""

import json

import pytest

from llm_engineering.infrastructure.parsers.article import read_page

PARAGRAPH = (
    "The harbour was quiet when the boats came back in the evening. Nobody had expected the catch to be this good, and "
    "the scales at the auction hall were busy until long after dark. The prices held until the following week. "
)
STORY = "".join(f"<p>{PARAGRAPH}</p>" for _ in range(12))


def page(title: str, body: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>"


def json_ld(**content: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(content)}</script>'


BLOCKED = {
    "cloudflare": page(
        "Just a moment...",
        "<h1>news.example</h1><p>Verify you are human by completing the action below.</p>"
        "<p>news.example needs to review the security of your connection before proceeding.</p>"
        "<footer>Ray ID: 8a1b2c3d <br>Performance &amp; security by Cloudflare</footer>",
    ),
    "cloudflare, blocked": page(
        "Attention Required! | Cloudflare",
        "<h1>Sorry, you have been blocked</h1><h2>You are unable to access news.example</h2>"
        "<h2>Why have I been blocked?</h2><p>This website is using a security service to protect itself from attacks. "
        "The action you just performed triggered the security solution. Several actions could trigger this "
        "block including submitting a certain word or phrase, a SQL command or malformed data.</p><h2>What can I do to "
        "resolve this?</h2><p>You can email the site owner to let them know you were blocked.</p>",
    ),
    "old challenge": page(
        "news.example",
        "<h1>Checking your browser before accessing news.example.</h1><p>This process is automatic. Your "
        "browser will redirect to your requested content shortly.</p><p>DDoS protection by Cloudflare</p>",
    ),
    "captcha": page(
        "Are you a robot?",
        "<h1>We've detected unusual activity from your computer network</h1><p>To continue, click the box below to "
        "let us know you're not a robot.</p><p>Please make sure your browser supports JavaScript and cookies.</p>",
    ),
    "press and hold": page(
        "Access to this page has been denied",
        "<p>Press &amp; Hold to confirm you are a human (and not a bot).</p><p>Reference ID 1234-abcd</p>",
    ),
    "edge server": page(
        "Access Denied",
        '<h1>Access Denied</h1><p>You don\'t have permission to access "http://news.example/a" on this '
        "server.</p><p>Reference #18.2d351ab8.1557333295.a4e16ab</p>",
    ),
    "enable javascript": page("news.example", "<p>Please enable JS and disable any ad blocker</p>"),
    "javascript shell": page(
        "My app", '<div id="root"></div><noscript>You need to enable JavaScript to run this app.</noscript>'
    ),
    "waiting room": page(
        "Making sure you're not a bot!",
        "<h1>Making sure you're not a bot!</h1><p>Loading...</p><p>You are seeing this "
        "because the administrator of this website has set up a challenge to protect the server.</p>",
    ),
    "security check": page(
        "Security check",
        "<p>Please complete the security check to access news.example</p><p>Why do I have to complete a "
        "CAPTCHA? Completing the CAPTCHA proves you are a human and gives you temporary access.</p>",
    ),
    "rate limit": page("Blocked", "<p>Your IP address has been temporarily blocked due to too many requests.</p>"),
    "german": page(
        "Einen Moment", "<p>Bestätigen Sie, dass Sie ein Mensch sind.</p><p>Aktivieren Sie JavaScript und Cookies.</p>"
    ),
    "chinese": page("安全验证", "<p>请完成安全验证后继续访问</p>"),
    "article behind a block": page(
        "Access Denied",
        "<p>You do not have permission to view this page.</p>",
        head='<meta property="og:type" content="article">',
    ),
    "search engine": page(
        "https://search.example/?q=x",
        "<div>Our systems have detected unusual traffic from your computer network. This "
        "page checks to see if it's really you sending the requests, and not a robot.</div><p>IP address: 1.2.3.4</p>",
    ),
    "network policy": page(
        "Blocked", "<h1>whoa there!</h1><p>Your request has been blocked due to a network policy.</p>"
    ),
    "no javascript": page(
        "X",
        "<h1>JavaScript is not available.</h1><p>We've detected that JavaScript is disabled in this "
        "browser. Please enable JavaScript or switch to a supported browser to continue.</p>",
    ),
    "sign in": page(
        "Before you continue", "<p>Sign in to confirm you're not a bot</p><p>This helps our community.</p>"
    ),
}

PAYWALLED = {
    "subscribe": page(
        "Fish prices",
        f"<article><h1>Fish prices</h1><p>{PARAGRAPH}</p><h2>Subscribe to continue reading</h2>"
        "<p>Get unlimited access for 1 € a week.</p></article>",
    ),
    "member only": page(
        "Fish prices", f"<article><p>Member-only story</p><h1>Fish prices</h1><p>{PARAGRAPH}</p></article>"
    ),
    "members": page(
        "Fish",
        f"<article><h1>Fish</h1><p>{PARAGRAPH}</p><p>The author made this story available to Medium "
        "members only.</p><p>Create an account to read the full story.</p></article>",
    ),
    "paid post": page(
        "Fish", f"<article><h1>Fish</h1><p>{PARAGRAPH}</p><h3>This post is for paid subscribers</h3></article>"
    ),
    "declared": page(
        "Fish", f"<article>{STORY}</article>", json_ld(**{"@type": "NewsArticle", "isAccessibleForFree": False})
    ),
    "declared as text": page(
        "Fish",
        f"<article>{STORY}</article>",
        json_ld(
            **{
                "@context": "https://schema.org",
                "@graph": [{"@type": "WebSite"}, {"@type": ["Article"], "isAccessibleForFree": "False"}],
            }
        ),
    ),
    "limit": page(
        "Fish",
        f"<article><h1>Fish</h1><p>{PARAGRAPH}</p></article><div>You've reached your limit of free articles.</div>",
    ),
    "keep reading": page(
        "Fish", f"<article><h1>Fish</h1><p>{PARAGRAPH}</p><p>To keep reading, please subscribe or log in.</p></article>"
    ),
    "french": page(
        "Pêche", f"<article><h1>Pêche</h1><p>{PARAGRAPH}</p><p>Cet article est réservé aux abonnés.</p></article>"
    ),
    "german": page("Fang", f"<article><h1>Fang</h1><p>{PARAGRAPH}</p><p>Nur für Abonnenten</p></article>"),
    "with a subscription": page(
        "Fish", f"<article><p>{PARAGRAPH}</p><p>Continue reading your article with a News subscription</p></article>"
    ),
    "in an aside": page(
        "Fish", f"<article><p>{PARAGRAPH}</p><aside><p>This article is for subscribers only</p></aside></article>"
    ),
}

NOT_FOUND = {
    "404": page("404 Not Found", "<h1>Not Found</h1><p>The requested URL /a was not found on this server.</p>"),
    "shop": page(
        "Page not found | Fish Shop",
        "<nav><a href='/'>Home</a></nav><h1>Oops!</h1><p>We can't find the page "
        "you're looking for. It may have been moved or deleted.</p><p>Try our search, or see our new offers.</p>",
    ),
    "moved": page("Fish Shop", "<h1>Sorry</h1><p>The page you are looking for no longer exists.</p>"),
    "german": page("Seite nicht gefunden – Fischmarkt", "<p>Die Seite wurde leider nicht gefunden.</p>"),
    "spanish": page("Página no encontrada", "<p>La página que buscas no existe.</p>"),
    "blog": page(
        "Oops! That page can’t be found. – Blog",
        "<h1>Oops! That page can’t be found.</h1><p>It looks like nothing was "
        "found at this location. Maybe try a search?</p>",
    ),
    "removed": page("My site", "<h1>Sorry, this article is no longer available</h1><p>Its author took it down.</p>"),
}

EMPTY = {
    "nothing": page("Fish", ""),
    "navigation": page(
        "Fish",
        "<nav><ul><li><a href='/a'>Home</a></li><li><a href='/b'>About us</a></li></ul></nav>"
        "<footer>All rights reserved</footer>",
    ),
    "scripts": page("Fish", "<script>var text = 'not for readers';</script><style>p { color: red }</style>"),
    "hidden": page("Fish", "<div style='display: none'><p>Nobody sees this.</p></div>"),
    "punctuation": page("Fish", "<p>… – •</p>"),
}

BENIGN = {
    "about captchas": page(
        "How captchas work",
        "<article><h1>How captchas work</h1><p>A captcha asks you to verify you are "
        f"human. Access denied pages and robots are described below.</p>{STORY}</article>",
    ),
    "quotes a block page": page(
        "A week without cookies",
        "<article><h1>A week without cookies</h1><p>On Monday a shop told me "
        "“Verify you are human by completing the action below” and I gave up. "
        f"{PARAGRAPH}</p><p>{PARAGRAPH}</p></article>",
    ),
    "titled like a block page": page("Just a moment: the photography of Ann Lee", f"<article>{STORY}</article>"),
    "long, titled as a block page": page("Access Denied", f"<article><h1>Access Denied</h1>{STORY}</article>"),
    "glossary": page(
        "CAPTCHA | Glossary",
        "<main><h1>CAPTCHA</h1><p>The word was coined in 2003 by researchers at Carnegie "
        "Mellon University. The letters stand for a longer phrase about Turing tests. Early versions showed "
        "distorted letters; later ones show photographs of streets. Studies found that people need about ten "
        "seconds for one, and that machines have become better at them than people are.</p></main>",
    ),
    "comments need javascript": page(
        "Fish",
        f"<article>{STORY}</article><noscript>Please enable JavaScript to view the "
        "comments powered by Disqus.</noscript>",
    ),
    "short, with a noscript for statistics": page(
        "Fish",
        f"<article><h1>Fish</h1><p>{PARAGRAPH}</p></article>"
        "<noscript>This page works better with JavaScript enabled</noscript>",
    ),
    "about paywalls": page(
        "Do paywalls pay?",
        "<article><h1>Do paywalls pay?</h1><p>Readers who see “Subscribe to continue "
        f"reading” leave in nine of ten cases, publishers say. {PARAGRAPH}</p><p>{PARAGRAPH}</p></article>",
    ),
    "a newsletter in the footer": page(
        "Fish",
        f"<article>{STORY}</article><footer><p>Subscribe to read more stories like this every week.</p></footer>",
    ),
    "free, and says so": page(
        "Fish", f"<article>{STORY}</article>", json_ld(**{"@type": "Article", "isAccessibleForFree": True})
    ),
    "teasers of paid articles": page(
        "Fish",
        f"<article>{STORY}</article>",
        json_ld(
            **{
                "@type": "Article",
                "headline": "Fish",
                "relatedLink": [{"@type": "Article", "isAccessibleForFree": False}],
            }
        ),
    ),
    "shows the declaration": page(
        "Structured data",
        f'<article><p>{PARAGRAPH}</p><pre>{{"@type": "NewsArticle", '
        f'"isAccessibleForFree": false}}</pre>{STORY}</article>',
    ),
    "about error pages": page(
        "How to design a great 404 page",
        "<article><h1>How to design a great 404 page</h1><p>When the page "
        f"you are looking for is missing, a joke helps. {PARAGRAPH}</p><p>{PARAGRAPH}</p></article>",
    ),
    "a car": page("Peugeot 404", f"<article><h1>Peugeot 404</h1><p>{PARAGRAPH}</p></article>"),
    "a status code": page(
        "404 Not Found - HTTP reference",
        "<main><h1>404 Not Found</h1><p>The HTTP 404 response status code "
        "indicates that a server has no resource under an address. Links that lead there are called broken "
        "links. The status says nothing about how long this will last; for a permanent removal there is "
        "another one, 410. Servers may send a friendly document with it, and clients may cache the "
        "answer if its headers allow that.</p><h2>Specifications</h2><p>HTTP semantics</p></main>",
    ),
    "a chess robot": page(
        "The robot that plays chess", f"<article><p>Human players met the robot. {PARAGRAPH}</p></article>"
    ),
    "security news": page(
        "Browser security update",
        "<article><h1>Browser security update</h1><p>The browser makers have closed a "
        "hole in JavaScript that let attackers read cookies. Access was denied to nobody during the repair. "
        f"{PARAGRAPH}</p></article>",
        head='<meta property="article:published_time" content="2024-01-02">',
    ),
    "tiny": page("Hi", "<p>Hello</p>"),
    "a poem": page("Nothing", "<p>Nothing gold can stay.</p>"),
    "japanese": page(
        "魚の値段",
        "<article><p>"
        + "夕方になると船が港に戻ってきた。誰もがこれほどの大漁を予想していなかった。" * 8
        + "</p></article>",
    ),
    "server manual": page(
        "403 Forbidden errors in nginx",
        "<article><h1>403 Forbidden errors in nginx</h1><p>This error means "
        "that the server refused access. Check that the user has permission to read the folder. You do not "
        f"have permission to access files of root unless the worker runs as root. {PARAGRAPH}</p></article>",
    ),
    "browser help": page(
        "Enable JavaScript in your browser",
        "<main><h1>How to enable JavaScript in your browser</h1><p>Open the "
        "menu and choose Settings. Click Privacy and security, then Site settings. Under Content, click "
        "JavaScript and select Sites can use JavaScript. Reload the page. In other browsers the names "
        "differ a little. To check that it works, visit a page with an interactive map.</p></main>",
    ),
    "a question": page(
        "FAQ",
        "<h1>FAQ</h1><h2>I can't find the page with the homework. Where is it?</h2><p>In the course's "
        "repository, in the folder cohorts.</p>",
    ),
    "a team": page(
        "Team",
        "<h1>Team members</h1><p>This page is for members of the team to introduce themselves to everyone "
        f"who is new here.</p><p>{PARAGRAPH}</p>",
    ),
}


def reason_of(html: str) -> str:
    verdict = read_page(html, "https://news.example/a").verdict
    return verdict.reason if verdict else ""


@pytest.mark.parametrize("name", BLOCKED)
def test_block_pages_are_known(name: str) -> None:
    assert reason_of(BLOCKED[name]) == "blocked"


@pytest.mark.parametrize("name", PAYWALLED)
def test_paywalls_are_known(name: str) -> None:
    assert reason_of(PAYWALLED[name]) == "paywall"


@pytest.mark.parametrize("name", NOT_FOUND)
def test_soft_404s_are_known(name: str) -> None:
    assert reason_of(NOT_FOUND[name]) == "not_found"


@pytest.mark.parametrize("name", EMPTY)
def test_empty_pages_are_known(name: str) -> None:
    assert reason_of(EMPTY[name]) == "empty"


@pytest.mark.parametrize("name", BENIGN)
def test_pages_that_only_speak_of_it_pass(name: str) -> None:
    assert reason_of(BENIGN[name]) == ""
