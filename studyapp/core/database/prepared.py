"""Queries whose SQL is made once per process: for what participants' pages ask for most often.

Django makes the SQL of a query again each time, which takes several times as long as running it.
`@prepared` turns a function that makes a queryset into one that returns its rows: the queryset is
made once, with a marker for each argument, and later only the arguments are filled in.

Arguments are positional: texts, whole numbers, times, or tuples of texts, never None or empty,
since the SQL would depend on them; for each value of a Boolean there is SQL of its own. A queryset
of objects gives objects, one of `values_list` gives tuples.

`@prepared_update` does the same for changes, and `insert` for new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import UpdateQuery

Given = str | int | bool | datetime | tuple[str, ...]
FIRST_MARKER = 31_000
"""Whole numbers from here on mark arguments; they fit into every column of numbers."""
FIRST_TIME = datetime(1900, 1, 1, tzinfo=UTC)
"""Days from here on mark arguments that are times."""


@dataclass(frozen=True)
class _Statement:
    """SQL with the places of its arguments."""

    sql: str
    fixed: tuple[Any, ...]
    """All parameters, with a marker for each argument."""
    places: tuple[tuple[int, int], ...]
    """Index in the parameters, index in the flattened arguments."""

    def parameters(self, given: Sequence[Given], database: BaseDatabaseWrapper) -> list[Any]:
        """The parameters for these arguments."""
        flat = _flat(given, database)
        parameters = list(self.fixed)
        for place, argument in self.places:
            parameters[place] = flat[argument]
        return parameters


@dataclass(frozen=True)
class _Plan:
    """A query, and how a row of it becomes an object or tuple."""

    statement: _Statement
    compiler: Any
    converters: Any
    """Django's converters of the columns that need one."""
    make_row: Callable[[Sequence[Any]], Any]

    def run(self, given: Sequence[Given], database: BaseDatabaseWrapper) -> list[Any]:
        """The rows for these arguments."""
        with database.cursor() as cursor:
            cursor.execute(self.statement.sql, self.statement.parameters(given, database))
            rows = cursor.fetchall()
        if self.converters:
            rows = self.compiler.apply_converters(rows, self.converters)
        return [self.make_row(row) for row in rows]


def prepared(make: Callable[..., QuerySet[Any, Any]]) -> Callable[..., list[Any]]:
    """The rows of the queryset that `make` makes, as a function of the same arguments."""
    plans: dict[Any, _Plan] = {}

    @wraps(make)
    def rows(*given: Given) -> list[Any]:
        database = _database()
        # Django refuses to make SQL that locks rows outside of a transaction.
        key = (database.vendor, database.in_atomic_block, *_kinds(given))
        plan = plans.get(key)
        if plan is None:
            plan = plans[key] = _plan(make, given, database)
        return plan.run(given, database)

    return rows


def prepared_update(
    make: Callable[..., tuple[QuerySet[Any, Any], dict[str, Any]]],
) -> Callable[..., int]:
    """Changes the rows of the queryset that `make` makes to the values that it makes with it;
    returns how many rows there were."""
    statements: dict[Any, _Statement] = {}

    @wraps(make)
    def changed(*given: Given) -> int:
        database = _database()
        key = (database.vendor, *_kinds(given))
        statement = statements.get(key)
        if statement is None:
            markers = _Markers(database)
            rows, values = make(*markers.instead_of(given))
            query: Any = rows.query.chain(UpdateQuery)  # as `QuerySet.update` does
            query.add_update_values(values)
            compiler = query.get_compiler(connection=database)
            statement = statements[key] = markers.found_in(make.__name__, compiler)
        with database.cursor() as cursor:
            cursor.execute(statement.sql, statement.parameters(given, database))
            return int(cursor.rowcount)

    return changed


def insert(rows: Sequence[Model]) -> None:
    """Store new rows of one model, without learning their keys or sending signals."""
    if not rows:
        return
    database = _database()
    sql, fields = _insertion(type(rows[0]), database.vendor)
    values = [
        [field.get_db_prep_save(field.pre_save(row, add=True), database) for field in fields]
        for row in rows
    ]
    with database.cursor() as cursor:
        cursor.executemany(sql, values)


@cache
def _insertion(model: type[Model], vendor: str) -> tuple[str, tuple[Field[Any, Any], ...]]:
    """SQL for the database's `vendor`, and the fields whose values it takes."""
    fields = tuple(field for field in model._meta.concrete_fields if not field.primary_key)
    quote = _database().ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES ({places})", fields  # noqa: S608 - our names


class _Markers:
    """Stand in for arguments while SQL is made, and are looked for in its parameters."""

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self._database = database
        self._made: list[Any] = []

    def instead_of(self, given: Sequence[Given]) -> list[Any]:
        """A marker for each argument, or each text of a tuple; Booleans stand for themselves."""
        return [
            tuple(self._mark(each) for each in one) if isinstance(one, tuple) else self._mark(one)
            for one in given
        ]

    def _mark(self, value: str | int | datetime) -> str | int | datetime:
        if isinstance(value, bool):
            return value
        number = len(self._made)
        marker: str | int | datetime = FIRST_MARKER + number
        if isinstance(value, datetime):
            marker = FIRST_TIME + timedelta(days=number)
        elif isinstance(value, str):
            marker = str(marker)
        self._made.append(_as_stored(marker, self._database))
        return marker

    def found_in(self, name: str, compiler: Any) -> _Statement:
        """The compiler's SQL. Raises `ValueError` if it lacks one of the arguments."""
        sql, fixed = compiler.as_sql()
        places = [(n, self._made.index(one)) for n, one in enumerate(fixed) if one in self._made]
        if {argument for _, argument in places} != set(range(len(self._made))):
            raise ValueError(f"{name}: an argument is not a parameter of its SQL: {sql}")
        return _Statement(sql, tuple(fixed), tuple(places))


def _plan(
    make: Callable[..., QuerySet[Any, Any]], given: Sequence[Given], database: BaseDatabaseWrapper
) -> _Plan:
    markers = _Markers(database)
    queryset = make(*markers.instead_of(given))
    compiler = queryset.query.get_compiler(connection=database)
    return _Plan(
        markers.found_in(make.__name__, compiler), compiler,
        compiler.get_converters(expression for expression, *_ in compiler.select),
        _objects(compiler) if queryset._iterable_class is ModelIterable else tuple,
    )  # fmt: skip


def _database() -> BaseDatabaseWrapper:
    """This thread's connection. `django.db.connection` looks it up for each of its attributes."""
    return connections[DEFAULT_DB_ALIAS]


def _kinds(given: Sequence[Given]) -> list[int]:
    """What the SQL depends on: the lengths of tuples, and the values of Booleans."""
    return [len(one) if isinstance(one, tuple) else int(one is True) for one in given]


def _flat(given: Sequence[Given], database: BaseDatabaseWrapper) -> list[Any]:
    flat: list[Any] = []
    for one in given:
        if isinstance(one, tuple):
            flat += one
        elif not isinstance(one, bool):
            flat.append(_as_stored(one, database))
    return flat


def _as_stored(value: str | int | datetime, database: BaseDatabaseWrapper) -> Any:
    """A time as this database takes it; anything else as it is."""
    if isinstance(value, datetime):
        return database.ops.adapt_datetimefield_value(value)
    return value


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
