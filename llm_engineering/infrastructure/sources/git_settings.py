"""The surroundings that git runs in: nothing of a repository or of this machine may run code or lead elsewhere.

The configuration of the machine and of the user is left out as a whole (`url.….insteadOf`, `http.proxy` and
`core.sshCommand` would undo what the guard decided), and so are proxies. What says how to be let in is read from it and
handed on: credential helpers, certificates and trusted folders. A repository's own configuration cannot be left out, so
what could run something is overruled, and no protocol is allowed when nothing is to be fetched.
"""

import os
import subprocess

REMOTE_PROTOCOLS = "https:http:ssh"
NO_PROTOCOLS = "none"

SAFE = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.alternateRefsCommand=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.bundleURI=false",
    "http.followRedirects=false",
    "http.proxy=",
    "http.sslVerify=true",
    # Objects above this size are written as a stream and not held in memory.
    "core.bigFileThreshold=16m",
    "pack.threads=1",
)

# Of the user's own git settings in the environment only these go along. GIT_DIR and the like must not: inside a hook
# they point elsewhere.
_PASSED_ON = frozenset({"GIT_SSL_CAINFO", "GIT_SSL_CAPATH"})
_HOW_TO_BE_LET_IN = r"^(credential\..*|safe\.directory|http\.(.*\.)?ssl(cainfo|capath|cert|key|certtype|keytype))$"
_QUICK_SECONDS = 20.0


def environment(protocols: str) -> dict[str, str]:
    """Return the environment for a git that may speak the protocols given, separated by colons."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_ON or not (key.startswith("GIT_") or key.lower().endswith("_proxy"))
    }
    return {
        **inherited,
        **_handed_on(),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_NO_LAZY_FETCH": "1",  # a partial clone would call its remote for missing blobs
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ASKPASS": "true",  # answers nothing, instead of opening a window
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C",  # so that complaints are in English
    }


def users_own(pattern: str) -> list[tuple[str, str]]:
    """Return the settings of the user and the machine whose keys match, without those of any repository."""
    command = ["git", "--git-dir", os.devnull, "config", "--includes", "--null", "--get-regexp", pattern]
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments of ours
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_QUICK_SECONDS, env=_clean(), check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []  # the command that follows says what is wrong with git
    entries = done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return [(key, value) for key, _, value in (entry.partition("\n") for entry in entries)]


def _clean() -> dict[str, str]:
    """Return this process's environment without settings that point at a repository or stand in for one's file."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key == "GIT_CONFIG_GLOBAL"}


def _handed_on() -> dict[str, str]:
    """Return what to hand on of the user's configuration, in the form that git reads from its environment."""
    settings = users_own(_HOW_TO_BE_LET_IN)
    numbered = {f"GIT_CONFIG_{part}_{number}": text for number, pair in enumerate(settings)
                for part, text in zip(("KEY", "VALUE"), pair, strict=True)}  # fmt: skip
    return {"GIT_CONFIG_COUNT": str(len(settings)), **numbered}
