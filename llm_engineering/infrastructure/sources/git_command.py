"""Runs git: never through a shell, never with hooks, and only the protocols that were asked for."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from llm_engineering.domain.errors import SourceError, UsageError

REMOTE_PROTOCOLS = "https:http:ssh"
NO_PROTOCOLS = "none"

# Of the user's own git settings in the environment only these go along: how to reach and to trust a server. GIT_DIR
# and the like must not: inside a hook they point elsewhere.
_PASSED_ON = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_CONFIG_GLOBAL"})
_SAFE = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")

# What git says (in English) → reason code and what to do about it.
_COMPLAINTS = (
    (r"dubious ownership", "git_refused", "git does not trust the folder's owner; do what it says"),
    (r"transport '.*' not allowed|protocol .* not (?:allowed|supported)", "bad_url", "use https, ssh or a local path"),
    (r"couldn't find remote ref|not our ref|invalid refspec", "unknown_ref", "check `ref`: a branch, tag or commit"),
    (r"ssl|certificate", "tls", "the certificate of the server is not accepted"),
    (r"authentication|could not read (?:username|password)|permission denied|access denied|403|401",
     "no_access", "it may be private, or not exist; give git access to it (ssh key or credential helper)"),
    (r"repository .*not found|404|does not appear to be a git repository|not a git repository|not valid: is this a git",
     "not_a_repository", "check `url`"),
    (r"could not resolve|unable to access|connection|failed to connect|timed out|network is unreachable|early eof",
     "unreachable", "check the address and the network"),
)  # fmt: skip


def git(arguments: Sequence[str], *, timeout: float, protocols: str = NO_PROTOCOLS) -> bytes:
    """Run git and return its standard output.

    Raises:
        SourceError: git failed; the reason tells why as far as git said so. `timeout` if it took too long.
        UsageError: git is not installed.
    """
    process = start(arguments, protocols=protocols)
    try:
        output, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise SourceError("timeout", f"git {arguments[-1]} took longer than {timeout:g} s (timeout_seconds)") from error
    finally:
        stop(process)
    if process.returncode != 0:
        raise _translated(complaint.decode("utf-8", "replace"))
    return output


def start(arguments: Sequence[str], *, protocols: str = NO_PROTOCOLS) -> "subprocess.Popen[bytes]":
    """Start git with pipes for all three streams, in a session of its own, so that it can ask nobody anything."""
    settings = [part for setting in _SAFE for part in ("-c", setting)]
    try:
        return subprocess.Popen(  # noqa: S603 - a list of arguments, and options end before what users gave
            ["git", "--no-pager", "--no-optional-locks", *settings, *arguments],  # noqa: S607 - the user's git
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(protocols),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        message = "git is not installed, or not on the PATH; a git source needs it (https://git-scm.com/downloads)"
        raise UsageError(message) from error


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End git and the helpers that it started, and close the pipes."""
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


def without_credentials(url: str) -> str:
    """Return the URL as it may be stored and shown."""
    return _CREDENTIALS.sub("", url) if "://" in url and not url.startswith("ssh:") else url


def _environment(protocols: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in _PASSED_ON}
    return {
        **inherited,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_NO_LAZY_FETCH": "1",  # a partial clone would call its remote for missing blobs
        "GIT_ASKPASS": "true",  # answers nothing, instead of opening a window
        "LC_ALL": "C",  # so that complaints are in English
    }


def _translated(complaint: str) -> SourceError:
    said = _CREDENTIALS.sub("", " ".join(complaint.split()))[:500]
    for pattern, reason, advice in _COMPLAINTS:
        if re.search(pattern, said, re.IGNORECASE):
            return SourceError(reason, f"{advice}; git says: {said}")
    return SourceError("git", f"git failed: {said or 'it said nothing'}")
