"""What git says when it fails, in our own words."""

import re

from llm_engineering.domain.errors import SourceError

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")

# What git says (in English) → reason code and what to do about it.
_COMPLAINTS = (
    (r"dubious ownership", "git_refused", "git does not trust the folder's owner; do what it says"),
    (r"returned error: 30[12378]|redirect", "redirects", "give the address that the server redirects to"),
    (r"transport '.*' not allowed|protocol .* not (?:allowed|supported)", "bad_url", "use https, ssh or a local path"),
    (r"couldn't find remote ref|not our ref|invalid refspec", "unknown_ref", "check `ref`: a branch, tag or commit"),
    (r"host key verification failed", "tls", "connect with ssh once to accept the host's key"),
    (r"ssl|certificate", "tls", "the certificate of the server is not accepted"),
    (r"authentication|could not read (?:username|password)|permission denied|access denied|403|401",
     "no_access", "it may be private, or not exist; give git access to it (ssh key or credential helper)"),
    (r"repository .*not found|404|does not appear to be a git repository|not a git repository|not valid: is this a git",
     "not_a_repository", "check `url`"),
    (r"could not resolve|unable to access|connection|failed to connect|timed out|network is unreachable|early eof|"
     r"could not read from remote repository|hung up unexpectedly",
     "unreachable", "check the address and the network"),
)  # fmt: skip


def translated(complaint: str) -> SourceError:
    """Return the error that a complaint of git means."""
    said = _CREDENTIALS.sub("", " ".join(complaint.split()))[:500]
    for pattern, reason, advice in _COMPLAINTS:
        if re.search(pattern, said, re.IGNORECASE):
            return SourceError(reason, f"{advice}; git says: {said}")
    return SourceError("git", f"git failed: {said or 'it said nothing'}")


def without_credentials(url: str) -> str:
    """Return the URL as it may be stored and shown."""
    return _CREDENTIALS.sub("", url) if "://" in url and not url.startswith("ssh:") else url
