"""Queries whose SQL is made once per process: for what participants' pages ask for most often.

Django makes the SQL of a query again each time, which takes several times as long as running it.
`@prepared` turns a function that makes a queryset into one that returns its rows: the queryset is
made once, with a marker for each argument, and later only the arguments are filled in.

Arguments are positional: texts, whole numbers, or tuples of texts, never None or empty, since the
SQL would depend on them. A queryset of objects gives objects, one of `values_list` gives tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.query import ModelIterable, get_related_populators

Given = str | int | tuple[str, ...]
FIRST_MARKER = 31_000
"""Whole numbers from here on mark arguments; they fit into every column of numbers."""


@dataclass(frozen=True)
class _Plan:
    """SQL with the places of its arguments, and how a row of it becomes an object or tuple."""

    sql: str
    fixed: tuple[Any, ...]
    """All parameters, with a marker for each argument."""
    places: tuple[tuple[int, int], ...]
    """Index in the parameters, index in the flattened arguments."""
    compiler: Any
    converters: Any
    """Django's converters of the columns that need one."""
    make_row: Callable[[Sequence[Any]], Any]

    def run(self, flat: Sequence[Any]) -> list[Any]:
        """The rows for these arguments."""
        parameters = list(self.fixed)
        for place, argument in self.places:
            parameters[place] = flat[argument]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            rows = cursor.fetchall()
        if self.converters:
            rows = self.compiler.apply_converters(rows, self.converters)
        return [self.make_row(row) for row in rows]


def prepared(make: Callable[..., QuerySet[Any, Any]]) -> Callable[..., list[Any]]:
    """The rows of the queryset that `make` makes, as a function of the same arguments."""
    plans: dict[Any, _Plan] = {}

    @wraps(make)
    def rows(*given: Given) -> list[Any]:
        # Django refuses to make SQL that locks rows outside of a transaction.
        lengths = (len(one) if isinstance(one, tuple) else 0 for one in given)
        key = (connection.vendor, connection.in_atomic_block, *lengths)
        plan = plans.get(key)
        if plan is None:
            plan = plans[key] = _plan(make, given)
        flat: list[Any] = []
        for one in given:
            if isinstance(one, tuple):
                flat += one
            else:
                flat.append(one)
        return plan.run(flat)

    return rows


def _plan(make: Callable[..., QuerySet[Any, Any]], given: Sequence[Given]) -> _Plan:
    markers: list[Any] = []

    def marker(value: str | int) -> str | int:
        number = FIRST_MARKER + len(markers)
        markers.append(str(number) if isinstance(value, str) else number)
        return markers[-1]  # type: ignore[no-any-return]

    marked = [
        tuple(marker(each) for each in one) if isinstance(one, tuple) else marker(one)
        for one in given
    ]
    queryset = make(*marked)
    compiler = queryset.query.get_compiler(connection=connection)
    sql, fixed = compiler.as_sql()
    places = [(n, markers.index(one)) for n, one in enumerate(fixed) if one in markers]
    if {argument for _, argument in places} != set(range(len(markers))):
        raise ValueError(f"{make.__name__}: an argument is not a parameter of its SQL: {sql}")
    return _Plan(
        sql, tuple(fixed), tuple(places), compiler,
        compiler.get_converters(expression for expression, *_ in compiler.select),
        _objects(compiler) if queryset._iterable_class is ModelIterable else tuple,
    )  # fmt: skip


def _objects(compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """How Django makes an object, with those of `select_related`, from a row."""
    info = compiler.klass_info
    first, last = info["select_fields"][0], info["select_fields"][-1] + 1
    names = [column[0].target.attname for column in compiler.select[first:last]]
    # The stubs are of a newer Django than the one that is installed.
    populators = get_related_populators(info, compiler.select, "default")  # type: ignore[call-arg]

    def make(row: Sequence[Any]) -> Any:
        found = info["model"].from_db("default", names, row[first:last])
        for populator in populators:
            populator.populate(row, found)
        return found

    return make
