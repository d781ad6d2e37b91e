"""Where git may fetch from: the address is checked by the guard, and git is bound to the address that was checked."""

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.network import Guard
from llm_engineering.infrastructure.network.hosts import spelled
from llm_engineering.infrastructure.network.ports import SSH_PORTS
from llm_engineering.infrastructure.sources.git_command import Limits, git
from llm_engineering.infrastructure.sources.git_complaints import without_credentials
from llm_engineering.infrastructure.sources.git_settings import users_own

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import HttpClient

_SSH_URL = re.compile(r"ssh://(?:([\w.+-]+)@)?(\[[0-9A-Fa-f:.]+\]|[^/@:\[\]]+)(?::([0-9]{1,5}))?(/.*)")
_SCP_LIKE = re.compile(r"([\w.-]+)@([^/@:\[\]]+):(.+)")
_FIRST_WITH_PINS = (2, 37)
_REFS = "/info/refs?service=git-upload-pack"
_PINNED_SSH = (
    *("BatchMode=yes", "ProxyCommand=none", "CanonicalizeHostname=no", "PermitLocalCommand=no"),
    # Another connection that is already open may lead elsewhere.
    *("ControlMaster=no", "ControlPath=none", "ClearAllForwardings=yes", "ForwardAgent=no"),
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository elsewhere: the URL for git, and the settings and environment that bind it to checked addresses."""

    url: str
    settings: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def remote(url: str, guard: Guard, seconds: float) -> Remote:
    """Return where to fetch an http, https or ssh URL from. `seconds` is how long the look-up of the name may take.

    Raises:
        SourceError: `bad_url`, `forbidden_address`, `unreachable` or `timeout`.
        UsageError: this git is too old to be bound to an address.
    """
    if url.lower().startswith(("http://", "https://")):
        return _http(url, guard, seconds)
    return _ssh(url, guard, seconds)


def redirected(url: str, client: "HttpClient") -> str:
    """Return the URL of the repository that a web address redirects to; each step goes through the client's guard.

    Git's own redirects are off, because it would resolve and follow whatever the server names.
    """
    end = client.end_of(without_credentials(url).rstrip("/") + _REFS)
    if not end.endswith(_REFS):
        raise SourceError("redirects", f"{without_credentials(url)} redirects to {end}, which is no repository")
    found, asked = urlsplit(end.removesuffix(_REFS)), urlsplit(url)
    if (found.scheme, found.hostname, found.port) == (asked.scheme, asked.hostname, asked.port):
        found = found._replace(netloc=asked.netloc)  # the credentials stay with their origin
    return found.geturl()


def _http(url: str, guard: Guard, seconds: float) -> Remote:
    from llm_engineering.infrastructure.http.urls import checked

    _require_pins()
    parsed = checked(url)
    host = spelled(parsed.raw_host.decode("ascii"))
    port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
    found = guard.addresses(host, port, seconds)
    addresses = ",".join(f"[{address}]" if ":" in address else address for address in found)
    pin = () if ":" in host else (f"http.curloptResolve={host}:{port}:{addresses}",)  # an IPv6 literal needs none
    return Remote(str(parsed.copy_with(host=host)), pin)


def _ssh(url: str, guard: Guard, seconds: float) -> Remote:
    match = _SSH_URL.fullmatch(url) or _SCP_LIKE.fullmatch(url)
    if match is None or any((part or "").startswith("-") for part in match.groups()):
        raise SourceError(
            "bad_url", f"{url[:200]!r} is no ssh address; expected git@host:owner/repo or ssh://git@host/repo"
        )
    host = spelled(match.group(2))
    port = int(match.group(3) or 22) if url.startswith("ssh:") else 22
    address = guard.addresses(host, port, seconds, SSH_PORTS)[0]
    known_as = host if port == 22 else f"[{host}]:{port}"
    options = (*_PINNED_SSH, f"HostName={address}", f"HostKeyAlias={known_as}", f"Port={port}")
    command = " ".join([_ssh_command(), "-x", *(f"-o {shlex.quote(option)}" for option in options)])
    return Remote(url, environment={"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"})


def _ssh_command() -> str:
    """Return the user's own ssh command, which may name a key."""
    configured = dict(users_own(r"^core\.sshcommand$")).get("core.sshcommand", "")
    return os.environ.get("GIT_SSH_COMMAND") or configured or shlex.quote(os.environ.get("GIT_SSH") or "ssh")


def _require_pins() -> None:
    said = git(["version"], Limits(seconds=20.0)).decode("ascii", "replace")
    found = re.search(r"([0-9]+)\.([0-9]+)", said)
    if found is None or (int(found.group(1)), int(found.group(2))) < _FIRST_WITH_PINS:
        wanted = ".".join(map(str, _FIRST_WITH_PINS))
        raise UsageError(f"{said.strip()} is too old to be bound to a checked address; install git {wanted} or newer")
