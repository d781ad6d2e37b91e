"""What all command lines share: exit codes, and errors as sentences instead of tracebacks."""

import argparse
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from llm_engineering.domain.errors import LLMEngineeringError, UsageError

OK, FAILED, USAGE = 0, 1, 2

DEFAULT_CONFIG = Path("configs/feature.yaml")


def guarded(main: Callable[[], int]) -> int:
    """Run a command and return its exit code; an expected error becomes a message on standard error."""
    from llm_engineering.domain.secrets import redact

    # Threads of torch that wait for each other sleep. Where other programs work on the same cores, those that spin keep
    # the very thread that they wait for from working: training was seven times slower. It is read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Libraries leave a million objects behind while they are loaded. At its defaults the collector goes through all of
    # them again and again, a second of a run of eight, and finds nothing to free.
    gc.set_threshold(20_000, 20, 20)
    try:
        return main()
    except UsageError as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        return USAGE
    except LLMEngineeringError as error:
        print(f"failed: {redact(str(error))}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`). Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        print(f"failed: {redact(str(error))}", file=sys.stderr)
        return FAILED
    except ValueError:
        if not (strange := [argument for argument in sys.argv[1:] if _has_stray_bytes(argument)]):
            raise
        print(f"error: the argument {strange[0]!r} is no text in UTF-8; write it in that encoding", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("stopped by the user; the next run goes on where this one was", file=sys.stderr)
        return 130


def _has_stray_bytes(argument: str) -> bool:
    """Return whether bytes of an argument were none in the encoding of the system: Python keeps them as surrogates."""
    return any("\udc80" <= character <= "\udcff" for character in argument)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--set`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"YAML file (default: {DEFAULT_CONFIG})")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override one setting; may be given several times",
    )
