"""A registry of models in folders: `registry/<name>/<number>/` with a card and the weights."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from loguru import logger
from pydantic import ValidationError

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.models import ModelFile, RegisteredModel, Stage, Switch
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.processes import is_alive
from llm_engineering.infrastructure.registries.cards import NOT_USED, card_text, digest_of_text, read_card
from llm_engineering.infrastructure.registries.numbers import check_numbers
from llm_engineering.infrastructure.registries.references import NAME, checked_name, split_reference
from llm_engineering.infrastructure.registries.states import States
from llm_engineering.infrastructure.registries.verdicts import keep_verdict, verdicts_in
from llm_engineering.infrastructure.registries.weights import (
    check_finite,
    copy_files,
    file_of,
    files_below,
    weights_digest,
)
from llm_engineering.infrastructure.vector_stores.folders import replace_file, sync, sync_tree
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

CARD, WEIGHTS, LOCK, INTENT = "card.json", "weights", "lock", "intent.json"
PATIENCE_SECONDS = 60.0
# A version stays what it was registered as; only what was found out about it later is added.
_FIXED = ("name", "number", "kind", "weights", "files")
_parts = count(1)


class FileRegistry:
    """Versions of models under `home/registry`. Any number of processes may use it at once."""

    def __init__(self, home: Path) -> None:
        self.root = home / "registry"

    def register(self, model: RegisteredModel, folder: Path | None) -> RegisteredModel:
        place = self.root / checked_name(model.name)
        check_numbers(model)
        place.mkdir(parents=True, exist_ok=True)
        part = place / f"{os.getpid()}-{next(_parts)}.part"
        try:
            (part / WEIGHTS).mkdir(parents=True)
            files = copy_files(folder, part / WEIGHTS) if folder is not None else ()
            self._check(model, part / WEIGHTS)
            failpoints.reach("registry.after_copy")
            with self._locked(model.name):
                return self._take_in(model, files, part)
        except OSError as error:
            raise BackendError(f"model {model.name!r} cannot be registered in {place}: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def names(self) -> Sequence[str]:
        found = sorted(path.name for path in self.root.glob("*") if path.is_dir() and NAME.fullmatch(path.name))
        return [name for name in found if self._numbers(name)]

    def versions(self, name: str) -> Sequence[RegisteredModel]:
        states, found = States.read(self.root / checked_name(name)), []
        for number in self._numbers(name):
            try:
                found.append(self._card(name, number, states))
            except UsageError as error:
                logger.warning("{}", error)
        return found

    def find(self, reference: str) -> RegisteredModel:
        name, selector = split_reference(reference)
        numbers, states = self._numbers(name), States.read(self.root / name)
        if not numbers:
            known = ", ".join(self.names()) or "none yet"
            raise UsageError(f"there is no model {name!r} in the registry {self.root}; there are: {known}")
        if not selector:
            return self._card(name, states.at(Stage.PRODUCTION) or numbers[-1], states)
        number = int(selector) if selector.isdigit() else states.at(Stage(selector))
        if number not in numbers:
            known = ", ".join(f"{one} ({states.stages.get(one, Stage.NONE)})" for one in numbers)
            raise UsageError(f"model {name!r} has no version {selector!r}; it has: {known}")
        return self._card(name, number, states)

    def folder(self, model: RegisteredModel) -> Path:
        known = self.find(model.reference)
        folder = self._path(model.name, model.number) / WEIGHTS
        there = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
        wanted = {file.path: file for file in known.files}
        if there.keys() != wanted.keys():
            name = min(there.keys() ^ wanted.keys())
            raise UsageError(
                f"{name} of model {model.reference} {'is missing' if name in wanted else 'is foreign'}; {NOT_USED}"
            )
        for name, path in there.items():
            if path.is_symlink() or file_of(path, folder) != wanted[name]:
                raise UsageError(f"{name} of model {model.reference} was changed since it was registered; {NOT_USED}")
        return folder

    def set_stage(self, model: RegisteredModel, stage: Stage) -> RegisteredModel:
        with self._locked(model.name):
            self.find(model.reference)
            states = States.read(self.root / model.name).with_stage(model.number, stage)
            states.write(self.root / model.name)
            return self._card(model.name, model.number, states)

    def keep(self, model: RegisteredModel) -> RegisteredModel:
        check_numbers(model)
        with self._locked(model.name):
            known = self.find(model.reference)
            if changed := [name for name in _FIXED if getattr(model, name) != getattr(known, name)]:
                raise UsageError(
                    f"{', '.join(changed)} of model {model.reference} cannot be changed; register another version"
                )
            self._write_card(model)
            return self.find(model.reference)

    def switches(self, name: str) -> Sequence[Switch]:
        return States.read(self.root / checked_name(name)).switches

    def record(self, switch: Switch) -> None:
        with self._locked(switch.name):
            place = self.root / switch.name
            states = States.read(place)
            if states.switches and states.switches[-1] == switch:
                return
            if switch.number:
                states = states.with_stage(switch.number, Stage.PRODUCTION)
            elif former := states.at(Stage.PRODUCTION):
                states = states.with_stage(former, Stage.ARCHIVED)
            states.model_copy(update={"switches": (*states.switches, switch)}).write(place)

    def stage_of(self, name: str, stage: Stage) -> int:
        """Return the number of the version in a stage, or 0."""
        number = States.read(self.root / checked_name(name)).at(stage)
        return number if number in self._numbers(name) else 0

    def intend(self, switch: Switch) -> None:
        replace_file(self.root / checked_name(switch.name) / INTENT, switch.model_dump_json())

    def intents(self) -> Sequence[Switch]:
        found = []
        for path in sorted(self.root.glob(f"*/{INTENT}")):
            try:
                found.append(Switch.model_validate_json(path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                continue  # it was ended meanwhile
            except (OSError, ValueError, ValidationError) as error:
                raise UsageError(
                    f"{path} is damaged ({type(error).__name__}); remove it if no promotion runs"
                ) from error
        return found

    def forget_intent(self, name: str) -> None:
        path = self.root / checked_name(name) / INTENT
        path.unlink(missing_ok=True)
        sync(path.parent)

    def keep_verdict(self, model: RegisteredModel, name: str, text: str) -> Path:
        """Keep a verdict on a version; none is ever replaced."""
        return keep_verdict(self.root / checked_name(model.name), f"{model.number}-{name}", text)

    def verdicts(self, name: str) -> Sequence[Path]:
        """Return the files of all verdicts on a model, oldest first."""
        return verdicts_in(self.root / checked_name(name))

    def _take_in(self, model: RegisteredModel, files: tuple[ModelFile, ...], part: Path) -> RegisteredModel:
        place = self.root / model.name
        self._sweep(place)
        states = States.read(place)
        number = max([0, *self._numbers(model.name), *states.cards]) + 1
        update = {"number": number, "files": files, "weights": weights_digest(files), "stage": Stage.NONE}
        update["created_at"] = model.created_at or datetime.now(UTC).isoformat(timespec="seconds")
        card = model.model_copy(update=update)
        text = card_text(card)
        (part / CARD).write_text(text, encoding="utf-8")
        sync_tree(part)
        # First the digest, then the folder: a version without a known digest is never there.
        cards = {**states.cards, number: (digest_of_text(text),)}
        states.model_copy(update={"cards": cards, "stages": {**states.stages, number: Stage.NONE}}).write(place)
        failpoints.reach("registry.before_rename")
        part.rename(place / str(number))
        sync(place)
        failpoints.reach("registry.after_rename")
        return card

    def _write_card(self, model: RegisteredModel) -> None:
        place, text = self.root / model.name, card_text(model)
        states = States.read(place)
        new, known = digest_of_text(text), states.cards.get(model.number, ())
        states.model_copy(update={"cards": {**states.cards, model.number: (*known, new)}}).write(place)
        failpoints.reach("registry.before_card")
        replace_file(self._path(model.name, model.number) / CARD, text)
        failpoints.reach("registry.after_card")
        states.model_copy(update={"cards": {**states.cards, model.number: (new,)}}).write(place)

    def _card(self, name: str, number: int, states: States) -> RegisteredModel:
        return read_card(self._path(name, number) / CARD, name, number, states)

    def _check(self, model: RegisteredModel, folder: Path) -> None:
        weights = sorted(folder.rglob("*.safetensors"))
        for path in weights:
            check_finite(path)
        if model.kind != "retrieval" and not weights:
            raise UsageError(f"model {model.name!r} is of kind {model.kind} and has no *.safetensors file; save one")
        if model.kind in ("embedder", "reranker"):
            assert ModelFiles(model.name, folder).files  # noqa: S101 - it raises what is wrong with them

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Have a model for oneself; wait for others, who take milliseconds."""
        path, until = self.root / checked_name(name) / LOCK, time.monotonic() + PATIENCE_SECONDS
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(FileLock(path))
                    break
                except Held as error:
                    if time.monotonic() > until:
                        raise BackendError(f"{error} changes model {name!r}; try again", transient=True) from error
                    time.sleep(0.01)
            yield

    def _numbers(self, name: str) -> list[int]:
        return sorted(int(path.name) for path in (self.root / name).glob("[1-9]*") if path.name.isdecimal())

    def _path(self, name: str, number: int) -> Path:
        return self.root / name / str(number)

    def _sweep(self, place: Path) -> None:
        """Remove what killed processes left half-copied."""
        for part in place.glob("*-*.part"):
            owner = part.name.partition("-")[0]
            if owner.isdigit() and not is_alive(int(owner)):
                shutil.rmtree(part, ignore_errors=True)
