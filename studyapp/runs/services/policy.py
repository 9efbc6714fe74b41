"""What a run's config may name: anything for administrators, only what is offered for others.

The guarded fields are read from the config's dataclasses (`pipeline.config.guard`), so that a new
field is refused until it is allowed. The worker checks again, with the current rights of the user
who made the run. An error never reveals whether a path exists on this machine; it names the field
and what is offered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studyapp.core.errors import RunError
from studyapp.core.permissions import may_start_runs, running_projects
from studyapp.models import Run
from studyapp.runs.services.configs import refusals

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

    from pipeline.config.guard import Guarded

MAX_OFFERED = 500
"""Maximum number of folders in a list."""
NAMED_IN_A_REFUSAL = 8
MAX_CALLS = 4
"""Maximum number of simultaneous calls of a paid service; the same as a config's default."""
METHOD_LISTS = (("labels", "methods"), ("ensemble", "methods"))
"""Fields with methods, which may include a remote model, such as `gemini@MODEL`."""


@dataclass(frozen=True)
class Prices:
    """Prices of a remote model, dollars per million tokens."""

    audio: float
    text: float
    output: float


def is_trusted(user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Whether a user's config may name anything; only administrators' configs may."""
    return bool(user is not None and user.is_active and getattr(user, "is_superuser", False))


def may_start_any(user: User | AnonymousUser) -> bool:
    """Whether the user may start runs in any project, or without one."""
    return is_trusted(user) or running_projects(user).exists()


def corpora() -> list[str]:
    """Return the corpus folders that everyone may choose, sorted."""
    return _folders(settings.CORPORA)


def models() -> list[str]:
    """Return the models that everyone may choose: names on the hub, then folders."""
    return [*_hub_names(), *_folders(settings.MODELS)]


def clap_models() -> list[str]:
    """Return the models among those offered that are CLAP, as far as this machine can tell."""
    return [name for name in models() if _is_clap(name)]


def _is_clap(name: str) -> bool:
    from pipeline.errors import PipelineError
    from pipeline.files.text import read_json

    if not Path(name).is_absolute():
        return "clap" in name.lower()
    if any(Path(name).glob("*.pt")):  # The layout of laion-clap.
        return True
    try:
        config = read_json(Path(name) / "config.json")
    except PipelineError:
        return False
    return isinstance(config, dict) and config.get("model_type") == "clap"


def check(config: Mapping[str, Any]) -> None:
    """Raise `RunError` if a config (validated or not) names something that is not offered."""
    from pipeline.config import RunConfig
    from pipeline.config.guard import guarded_fields
    from pipeline.labelers.audio_chat.prices import flat

    for one in guarded_fields(RunConfig):
        section = config.get(one.section)
        if isinstance(section, Mapping) and one.name in section:
            value = section[one.name]
            # A stored config has a list where its dataclass has a tuple.
            if (tuple(value) if isinstance(value, list) else value) != one.default:
                _CHECKS[one.guard.name](one, value)
    for model in _remote_models(config):
        if model not in _prices():
            raise RunError(_not_offered("the model of gemini@MODEL", [*_prices()]))
    for model in _chat_models(config):
        if model not in map(flat, _chat_offered()):
            raise RunError(_not_offered("the model of audio-chat@MODEL", _chat_offered()))


def check_maker(run: Run) -> None:
    """Raise `RunError` if the user who made the run may no longer start it."""
    if run.origin == Run.Origin.COMMAND or _may_start(run.created_by, run):
        return
    raise RunError(
        f"{run.created_by or 'the user who made this run'} may no longer start runs in "
        f"{run.project or 'no project'}; ask an editor of the project to restart it"
    )


def must_take_over(run: Run, by: User | AnonymousUser | None) -> bool:
    """Whether `by` must become responsible for a run because its maker may no longer start it.

    Raises `RunError` if `by` may not start it either, or may not name what its config names.
    """
    if by is None or run.origin != Run.Origin.SITE or _may_start(run.created_by, run):
        return False
    if not _may_start(by, run):
        raise RunError(f"{by} may not start runs in {run.project or 'no project'}")
    if not is_trusted(by):
        check(run.config)
    return True


def _may_start(user: User | AnonymousUser | None, run: Run) -> bool:
    return user is not None and user.is_active and may_start_runs(user, run.project)


def is_guarded(run: Run) -> bool:
    """Whether the run's config may only name what is offered."""
    return run.origin == Run.Origin.SITE and not is_trusted(run.created_by)


def with_site_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with the values that settings impose on runs of non-administrators."""
    models = [*_remote_models(config), _default_remote_model()]
    used = [_prices()[name] for name in models if name in _prices()]
    given = config.get("machine", {})
    # More workers than cores would only slow down everyone else.
    cores = os.cpu_count() or 1
    counts = {name: min(int(given.get(name, 1)), cores) for name in ("workers", "threads")}
    machine = {**given, **counts, "confined": True}
    asked = config.get("gemini", {})
    gemini = {
        **asked,
        # Simultaneous calls may cost more than was estimated before the replies are known.
        "concurrency": min(int(asked.get("concurrency", MAX_CALLS)), MAX_CALLS),
        # The run's limit is that of its project; see `runs/services/budget.py`.
        "budget_dollars": float(settings.GEMINI_BUDGET),
        # Several models share one config, so each is counted at the highest price.
        "dollars_per_million_audio": max(one.audio for one in used),
        "dollars_per_million_text": max(one.text for one in used),
        "dollars_per_million_output": max(one.output for one in used),
    }
    chat = config.get("audio_chat", {})
    audio_chat = {
        **chat,
        "concurrency": min(int(chat.get("concurrency", MAX_CALLS)), MAX_CALLS),
        "budget_dollars": float(settings.GEMINI_BUDGET),
    }
    return {**config, "machine": machine, "gemini": gemini, "audio_chat": audio_chat}


def folder_of_clips(value: str, user: User | AnonymousUser) -> Path:
    """Return the folder of a table's clips: any for administrators, else one that is offered.

    Raises `RunError`, which does not reveal to others whether a path exists.
    """
    if not is_trusted(user) and not _lies_in(value, settings.CORPORA):
        raise RunError(_not_offered("the folder of clips", corpora()))
    try:
        folder = (Path(settings.BASE_DIR) / Path(value).expanduser()).resolve()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError, ValueError):  # a name too long, no such home, a NUL
        pass
    raise RunError(f"{value!r:.100} is not a folder on this machine")


def _is_corpus(one: Guarded, value: Any) -> None:
    if not _lies_in(value, settings.CORPORA):
        raise RunError(_not_offered(str(one), corpora()))


def _is_model(one: Guarded, value: Any) -> None:
    for model in value if isinstance(value, list | tuple) else [value]:
        if model not in _hub_names() and not _lies_in(model, settings.MODELS):
            raise RunError(_not_offered(str(one), models()))


def _is_remote_model(one: Guarded, value: Any) -> None:
    offered = _chat_offered() if one.section == "audio_chat" else [*_prices()]
    if value not in offered:
        raise RunError(_not_offered(str(one), offered))


def _refuse_file(one: Guarded, value: Any) -> None:
    raise RunError(
        f"{one} names a file on this machine, which only administrators may do; leave it out, or "
        "ask an administrator to start this run"
    )


def _refuse_address(one: Guarded, value: Any) -> None:
    raise RunError(f"{one} is set by the administrator of this site; leave it out")


_CHECKS: dict[str, Callable[[Guarded, Any], None]] = {
    "CORPUS": _is_corpus,
    "MODEL": _is_model,
    "REMOTE_MODEL": _is_remote_model,
    "FILE": _refuse_file,
    "ADDRESS": _refuse_address,
    "MONEY": _refuse_address,
}


def _lies_in(value: Any, roots: list[str]) -> bool:
    """Whether a path, after following links, is one of these folders or inside one."""
    if not isinstance(value, str | Path):
        return False
    from pipeline.files.places import lies_in

    try:
        path = settings.BASE_DIR / Path(value).expanduser()
    except RuntimeError:  # The home of a user who does not exist.
        return False
    return any(lies_in(path, root) for root in _resolved(roots))


def _resolved(roots: list[str]) -> list[Path]:
    """Return the folders among the entries of a list; the others are names on the hub."""
    folders = [Path(root).expanduser() for root in roots]
    return [folder.resolve() for folder in folders if folder.is_absolute()]


def _hub_names() -> list[str]:
    return [name for name in settings.MODELS if not Path(name).expanduser().is_absolute()]


def _folders(roots: list[str]) -> list[str]:
    """Return the folders in each root, or the root itself if it has none."""
    found: list[str] = []
    for root in _resolved(roots):
        if root.is_dir():
            inside = sorted(str(one) for one in root.iterdir() if one.is_dir())
            found += [one for one in inside if _lies_in(one, roots)] or [str(root)]
    return list(dict.fromkeys(found))[:MAX_OFFERED]


def _default_remote_model() -> str:
    from pipeline.config import GeminiConfig

    return GeminiConfig().model


def _prices() -> dict[str, Prices]:
    """Remote model → its prices, for every model that may be used."""
    from pipeline.config import GeminiConfig

    default = GeminiConfig()
    known = {
        default.model: Prices(
            default.dollars_per_million_audio,
            default.dollars_per_million_text,
            default.dollars_per_million_output,
        )
    }
    return known | {name: Prices(*prices) for name, prices in settings.GEMINI_MODELS.items()}


def _remote_models(config: Mapping[str, Any]) -> list[str]:
    """Return the remote models in a config: its own, and the variants of its methods."""
    named = [variant for variant in _variants(config, "gemini") if variant]
    gemini = config.get("gemini")
    own = gemini.get("model") if isinstance(gemini, Mapping) else None
    return [*named, *([own] if isinstance(own, str) and own else [])]


def _chat_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models of a config's `audio-chat`, as variants of the method.

    Without a variant it is the section's model, which `_is_remote_model` checks; empty if that is
    missing, which is refused too.
    """
    from pipeline.labelers.audio_chat.prices import flat

    chat = config.get("audio_chat")
    own = flat(str(chat.get("model", ""))) if isinstance(chat, Mapping) else ""
    return [variant or own for variant in _variants(config, "audio-chat")]


def _chat_offered() -> list[str]:
    """Return the models of the OpenAI-compatible service that the administrator offers."""
    from pipeline.labelers.audio_chat.prices import offered

    with refusals():
        return [*offered()]


def _variants(config: Mapping[str, Any], family: str) -> list[str]:
    """Return the variants of a method in a config; the method without one counts as empty."""
    found = []
    for section, name in METHOD_LISTS:
        given = config.get(section)
        methods = given.get(name) if isinstance(given, Mapping) else None
        for method in methods if isinstance(methods, list | tuple) else ():
            own, _, variant = str(method).partition("@")
            found += [variant] * (own == family)
    return found


def _not_offered(what: str, offered: list[str]) -> str:
    if not offered:
        return f"{what} is not offered here: the administrator has listed none to choose from"
    some = ", ".join(offered[:NAMED_IN_A_REFUSAL])
    more = f" and {len(offered) - NAMED_IN_A_REFUSAL} more" * (len(offered) > NAMED_IN_A_REFUSAL)
    return f"{what} is not offered here; choose from: {some}{more}"
