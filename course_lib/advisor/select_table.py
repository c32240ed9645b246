"""One table of one SELECT: which columns are its own, and what an index on it could contain."""

from collections.abc import Mapping
from functools import cached_property

from sqlglot import exp

from course_lib.advisor.dialect import Node, sql_text
from course_lib.advisor.pushdown import own_joins
from course_lib.advisor.schema import Keys, Table


class SelectTable:
    """A table in a SELECT, under an alias. `tables` are all tables of the SELECT, by alias."""

    def __init__(self, scope: Node, tables: Mapping[str, Table], alias: str) -> None:
        self.scope = scope
        self.select = scope.expression
        self.tables = tables
        self.alias = alias
        self.table = tables[alias]
        self.name = self.table.name.lower()

    def key(self, node: Node) -> str | None:
        """Return an expression as an index contains it; None if it needs more than this row."""
        if self.owners(node) != {self.alias}:
            return None
        if node.find(exp.Select, exp.Placeholder, exp.Parameter, exp.Window):
            return None
        if any(self._is_of_another_query(column) for column in node.find_all(exp.Column)):
            return None
        if isinstance(node, exp.Column):
            return self.column_name(node)
        # The copy has a parent, so that a node at its top can be replaced as well.
        unqualified = exp.Paren(this=node.copy())
        for column in list(unqualified.find_all(exp.Column)):
            if self.owner(column):
                column.replace(exp.Var(this=self.column_name(column)))
            else:  # SQLite takes a "name" that no column has for a string
                column.replace(exp.Literal.string(column.name))
        return sql_text(unqualified.unnest())

    def column_name(self, column: exp.Column) -> str:
        """Return the SQL name of a column of this table, or of its rowid."""
        name = column.name.lower()
        return self.table.columns.get(name, name)

    def owner(self, column: exp.Column) -> str | None:
        """Return the alias of a column's table; None for an outer query's, and for a "string"."""
        if column.table:
            alias = column.table.lower()
            return alias if alias in self.tables else None
        name = column.name.lower()
        for alias, table in self.tables.items():
            if name in table.columns or name in table.rowid:
                return alias
        return None

    def _is_of_another_query(self, column: exp.Column) -> bool:
        """Check whether a column belongs to a subquery, a CTE or an outer query, by its prefix."""
        return bool(column.table) and self.owner(column) is None

    def joins_subquery(self, node: Node) -> bool:
        """Check whether an expression has a column of a subquery, view or CTE beside this table.

        A condition that was pushed down has no SELECT around it, and its tables are outside.
        """
        beside = {alias.lower() for alias, _ in self.scope.references}
        for column in node.find_all(exp.Column):
            if self._is_of_another_query(column):
                select = column.parent_select
                if not select or (select is self.select and column.table.lower() in beside):
                    return True
        return False

    def owners(self, node: Node) -> set[str]:
        """Return the aliases of the tables of this SELECT whose row an expression depends on."""
        owners = set()
        for column in node.find_all(exp.Column):
            # A subquery has names of its own. A condition pushed down has no SELECT around it.
            if column.find_ancestor(exp.Select) in (None, self.select):
                owners.add(self.owner(column))
        return {owner for owner in owners if owner}

    @cached_property
    def join_columns(self) -> list[str]:
        """The columns of the table that a USING names, or that a NATURAL join compares."""
        names = set[str]()
        for join in own_joins(self.select):
            names |= {column.name.lower() for column in join.args.get("using") or ()}
            if (join.args.get("method") or "").upper() == "NATURAL":
                names |= self._shared_names()
        return [self.table.columns[name] for name in sorted(names & self.table.columns.keys())]

    def _shared_names(self) -> set[str]:
        """Return the names of columns that another table or subquery of the SELECT has too."""
        others = [table for alias, table in self.tables.items() if alias != self.alias]
        names = {name for table in others for name in table.columns}
        for _, source in self.scope.selected_sources.values():
            if not isinstance(source, exp.Table):
                names |= {name.lower() for name in source.expression.named_selects}
        return names

    def needed(self) -> Keys | None:
        """Return the columns of the table that the SELECT reads; None if it selects `*`."""
        has_star = any(selected.is_star for selected in self.select.selects)
        if has_star and not isinstance(self.select.parent, exp.Exists):
            return None
        names = set(self.join_columns)
        for column in self.scope.columns:
            if self.owner(column) == self.alias:
                names.add(self.column_name(column))
        return tuple(sorted(names))
