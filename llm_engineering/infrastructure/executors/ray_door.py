"""Look at a Ray cluster from outside before anything is sent to it: is it there, and does it demand our token?"""

import os
from pathlib import Path

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.executors.ray import START

_SECONDS = 5.0
_QUESTION = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_WHY = "a Ray cluster runs whatever it is sent, so executor 'ray' works only with token authentication"
_TOKEN = "ray get-auth-token --generate; export RAY_AUTH_MODE=token"  # noqa: S105 - what to type for one


def token() -> str:
    """Return the token that Ray would use.

    Raises:
        UsageError: token authentication is off, or there is no token.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "")
    if mode.lower() != "token":
        raise UsageError(f"RAY_AUTH_MODE is {mode or 'not set'}; {_WHY}. Type: {_TOKEN}")
    if found := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return found
    named = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"there is no token in RAY_AUTH_TOKEN or {path}; {_WHY}. Type: {_TOKEN}") from error
    if not found:
        raise UsageError(f"{path} is empty; {_WHY}. Type: {_TOKEN}")
    return found


def check_door(address: str, secret: str) -> None:
    """Ask the head node without the token, which it must refuse, and with it, which it must not.

    Raises:
        UsageError: nobody answers, everybody is let in, or this token is not.
    """
    if address in ("auto", "local"):  # the first is asked when it is known, the second is ours
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise UsageError(f"RAY_ADDRESS is {address!r}; write HOST:PORT, for example 127.0.0.1:6379, or 'auto', 'local'")
    if _is_let_in(address, ()):
        raise UsageError(
            f"the Ray cluster at {address} lets everybody in; {_WHY}. Stop it (ray stop), and start it with: {START}"
        )
    if not _is_let_in(address, (("authorization", f"Bearer {secret}"),)):
        raise UsageError(
            f"the Ray cluster at {address} refuses the token of this process; give both the same one, in "
            "RAY_AUTH_TOKEN or in the file that RAY_AUTH_TOKEN_PATH names (default ~/.ray/auth_token)"
        )


def _is_let_in(address: str, metadata: tuple[tuple[str, str], ...]) -> bool:
    import grpc

    # A proxy of the environment is for the web; the answer must be that of the head node itself.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(_QUESTION)(b"", timeout=_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                return False
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise UsageError(
                    f"no Ray cluster answers at {address} within {_SECONDS:.0f} s; check the address, or start one: "
                    f"{START}. `address: local` starts one for the run alone"
                ) from error
            raise UsageError(f"what answers at {address} is no head node of Ray ({code.name})") from error
    return True
