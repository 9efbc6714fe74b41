"""Every URL pattern of the site, read from the URL configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True)
class Route:
    """One pattern of the URL configuration."""

    name: str
    """With its namespace, as in `admin:index`. A pattern without a name has its own text."""
    converters: dict[str, Any]
    view: Callable[..., Any]

    @property
    def is_public(self) -> bool:
        """Whether the page needs no login."""
        return not getattr(self.view, "login_required", True)


def routes() -> list[Route]:
    """All routes; a name of two patterns appears twice."""
    return list(_walk(get_resolver().url_patterns, "", {}))


def _walk(
    patterns: list[URLPattern | URLResolver], space: str, outer: dict[str, Any]
) -> Iterator[Route]:
    for one in patterns:
        converters = outer | one.pattern.converters
        if isinstance(one, URLResolver):
            inner = f"{space}{one.namespace}:" if one.namespace else space
            yield from _walk(one.url_patterns, inner, converters)
        else:
            yield Route(f"{space}{one.name or one.pattern}", converters, one.callback)
