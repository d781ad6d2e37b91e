"""Logins, consent, maintenance and parked domains in place of a document, and documents about them or beside them."""

import pytest

from llm_engineering.infrastructure.parsers.article import read_page

PARAGRAPH = (
    "The harbour was quiet when the boats came back in the evening. Nobody had expected the catch to be this good, and "
    "the scales at the auction hall were busy until long after dark. The prices held until the following week. "
)
STORY = "".join(f"<p>{PARAGRAPH}</p>" for _ in range(12))
FORM = (
    "<form action='/login'><label>Email address</label><input type='email'><label>Password</label>"
    "<input type='password'><a href='/reset'>Forgot password?</a><button>Sign in</button></form>"
)
CONSENT = (
    "<p>We use cookies and data to deliver our services, track outages and measure audience engagement.</p>"
    "<p>If you choose “Accept all”, we and our partners will also use cookies to show personalised ads.</p>"
    "<p>If you choose “Reject all”, we will not use cookies for these purposes.</p>"
)
CHOICES = "<button>Reject all</button><button>Accept all</button><a href='/options'>More options</a>"
LINKS = "<footer>" + "".join(f"<a href='/{i}'>Help topic {i}</a> " for i in range(40)) + "</footer>"


def page(title: str, body: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>"


WALLS = {
    "login": page("Sign in", f"<h1>Sign in</h1>{FORM}"),
    "login with a site's name and footer": page("Log in | Fish Market", f"<main><h2>Welcome</h2>{FORM}</main>{LINKS}"),
    "login without a telling title": page("Fish Market", f"<div class='box'>{FORM}<p>New here? Sign up</p></div>"),
    "login in two steps": page(
        "Sign in - Fish Accounts",
        "<h1>Sign in</h1><p>Use your Fish Account</p><form><label>Email or phone</label><input type='email'>"
        "<p>Forgot email?</p><p>Not your computer? Use a private window to sign in.</p><button>Next</button></form>",
    ),
    "login to go on": page("Fish Market", f"<p>You must be logged in to view this page.</p>{FORM}"),
    "login with other services": page(
        "Login to Fish Market",
        f"<h1>Login to Fish Market</h1><p>Continue with Google</p><p>Sign in with SSO</p><p>or</p>{FORM}",
    ),
    "login in a table": page(
        "Members login",
        "<table><tr><td>User name:</td><td><input name='u'></td></tr><tr><td>Password:</td>"
        "<td><INPUT TYPE=PASSWORD></td></tr></table>",
    ),
    "login in German": page(
        "Anmelden – Fischmarkt", "<p>Passwort vergessen?</p><input type='password'><p>Anmelden</p>"
    ),
    "login in Japanese": page("ログイン", "<h1>ログイン</h1><input type='password'><p>ログイン</p>"),
    "consent": page("Before you continue", f"<h1>Before you continue to Fish Search</h1>{CONSENT}{CHOICES}"),
    "consent in a dialog": page("Fish", f"<div role='dialog' class='consent'>{CONSENT}{CHOICES}</div>{LINKS}"),
    "consent in a banner alone": page(
        "Fish Market", f"<h1>Fish Market</h1><div id='cookie-banner'>{CONSENT}{CHOICES}</div>"
    ),
    "consent in one line": page(
        "We value your privacy",
        "<p>We and our 834 partners store and access personal data, like browsing data, on your device.</p>"
        "<p>Accept all / Reject all</p>",
    ),
    "consent in German": page(
        "Bevor Sie zu Fischsuche weitergehen",
        "<p>Wir verwenden Cookies und andere Daten.</p><button>Alle ablehnen</button><button>Alle akzeptieren</button>",
    ),
    "maintenance": page("We'll be back soon!", "<h1>We&rsquo;ll be back soon!</h1><p>Sorry for the inconvenience.</p>"),
    "under maintenance": page(
        "Fish Market",
        "<h1>Our site is currently under maintenance</h1><p>We are performing scheduled maintenance. We should be back "
        "shortly. Thank you for your patience.</p>",
    ),
    "down": page("Site Maintenance", "<p>The website is down for scheduled maintenance. Please check back later.</p>"),
    "unavailable": page(
        "Service Temporarily Unavailable",
        "<h1>Temporarily unavailable</h1><p>Our store is undergoing maintenance.</p><p>Please try again later.</p>",
    ),
    "parked": page("fish.example", "<h1>fish.example</h1><p>This domain is for sale.</p>"),
    "parked, with an offer": page(
        "fish.example is for sale",
        "<h1>The domain name fish.example is for sale!</h1><p>Buy now: $2,995</p><p>Make an offer</p>"
        "<p>Secure payments, and free transfer support by our broker.</p>",
    ),
    "parked, with links": page(
        "fish.example",
        "<p>Buy this domain</p><p>The domain fish.example may be for sale by its owner!</p><h2>Related searches</h2>"
        "<ul><li>Fish recipes</li><li>Boats</li></ul><p>Privacy Policy</p>",
    ),
    "parked by its registrar": page(
        "Parked Domain", "<p>This domain has been registered and parked free, courtesy of its registrar.</p>"
    ),
}

LONG = "".join(
    f"<p>{text}</p>"
    for text in (
        "A login form asks for a user name and a password, and every designer has opinions about it. " * 4,
        "Cookies remember the account between visits. A banner asks the visitor to accept all or to reject all. " * 4,
        "Maintenance of such forms is dull work: the site is down for maintenance, and nobody says thank you. " * 4,
    )
)

DOCUMENTS = {
    "about login forms": page("Sign in", f"<h1>Sign in</h1>{LONG}{FORM}"),
    "about cookies": page("We use cookies", f"<h1>Before you continue</h1>{LONG}{CHOICES}"),
    "about maintenance": page("Maintenance", f"<h1>Under maintenance</h1>{LONG}<p>We will be back soon.</p>"),
    "about domains": page("This domain is for sale", f"<p>Buy this domain, said the mail. {PARAGRAPH * 6}</p>"),
    "short, with a login form beside it": page(
        "Fish prices", f"<article><h1>Fish prices</h1><p>{PARAGRAPH}</p></article><aside>{FORM}</aside>"
    ),
    "short, with a login form in the header": page("Fish", f"<header>{FORM}</header><h1>Fish</h1><p>{PARAGRAPH}</p>"),
    "short, with a hidden login form": page(
        "Fish", f"<div style='display:none'>{FORM}</div><h1>Fish</h1><p>The cod is in.</p>"
    ),
    "short, with a cookie banner": page(
        "Fish prices", f"<article><p>{PARAGRAPH}</p></article><div class='cookie-banner'>{CONSENT}{CHOICES}</div>"
    ),
    "long, with both": page("Fish", f"<div class='consent'>{CONSENT}{CHOICES}</div>{FORM}<article>{STORY}</article>"),
    "a short article by its metadata": page(
        "Sign in",
        "<p>Sign in to the lake, said the board, and a password was painted under it.</p>",
        '<meta property="og:type" content="article">',
    ),
    "a manual's page about signing in": page(
        "Sign in",
        "<h1>Sign in</h1><p>The function opens a session and returns its token. Pass it to every other call, and "
        "close the session at the end. Sessions end by themselves after an hour without calls. A second session of the "
        "same client ends the first one, whose calls fail from then on.</p>",
    ),
    "a manual's page about maintenance": page(
        "Maintenance", "<h1>Maintenance</h1><p>Oil the chain every week. Change the filter in spring.</p>"
    ),
    "database maintenance": page(
        "Routine maintenance",
        "<h1>Routine maintenance</h1><p>Vacuum large tables at night. Rebuild an index when it has "
        "grown to twice its size. The server need not be down for maintenance of this kind.</p>",
    ),
    "a notice of planned maintenance": page(
        "Crane out of service on Sunday",
        f"<p>On Sunday the crane will be under maintenance. {PARAGRAPH}</p><p>{PARAGRAPH}</p>",
    ),
    "a cookie recipe": page(
        "Cookies", "<h1>Cookies</h1><p>Beat the butter with the sugar. Accept all kinds of nuts.</p>"
    ),
    "a house for sale": page(
        "This boat is for sale", "<h1>Old boat</h1><p>This boat is for sale. The owner takes offers.</p>"
    ),
    "a quoted sign": page(
        "A walk", "<p>At the gate hung a sign, “This domain is for sale”, and behind it grew a garden of roses.</p>"
    ),
    "back soon": page("Back soon", f"<p>{PARAGRAPH}</p>"),
    "a status page": page(
        "Status", "<h1>All systems operational</h1><p>No maintenance is planned. The last incident was in May.</p>"
    ),
}


@pytest.mark.parametrize("name", WALLS)
def test_walls_are_known(name: str) -> None:
    verdict = read_page(WALLS[name], "https://news.example/a").verdict
    assert verdict is not None
    assert verdict.reason == "blocked"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_beside_or_about_walls_pass(name: str) -> None:
    assert read_page(DOCUMENTS[name], "https://news.example/a").verdict is None
