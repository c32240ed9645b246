"""Exercise: an index on an expression."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import IndexExercise

BY_EMAIL = "SELECT id, name FROM users WHERE lower(email) = ?"


class CaseBlind(IndexExercise):
    """An index on the expression that the query compares."""

    name = "case_blind"
    task = f"""The login looks up an account, and you can't change its query:

    {BY_EMAIL}

An index on `email` doesn't help. Write the `CREATE INDEX` statement that does."""
    stub = 'case_blind = ...  # "CREATE INDEX ..."'
    hints = (
        "The query doesn't compare the column, but a value computed from it.",
        "An index can store the value of an expression instead of a column.",
        "`CREATE INDEX idx_users_lower_email ON users(...)`: write the left side of the `=` there.",
    )
    case_blind = "CREATE INDEX idx_users_lower_email ON users(lower(email))"
    praise = "SQLite uses an index on an expression if the query has exactly that expression."
    refusals: ClassVar = {
        "plain_column": (
            "This index is sorted by the email as it was typed; the query compares its lowercase "
            "form.",
            "Index the expression: the left side of the `=`.",
        ),
        "collation": (
            "NOCASE is another way to ignore case, for a query on the bare column; this one calls "
            "lower().",
            "Index the expression itself.",
        ),
        "other_expression": (
            "An index on an expression works for exactly that expression.",
            "Copy the left side of the `=`.",
        ),
        "expression_later": (
            "An index is sorted by its first column, and here the expression comes later.",
            "Begin with the expression.",
        ),
    }

    def judge(self, answer: Any) -> None:
        """Expect a plan that searches."""
        index = self.indexed(answer, BY_EMAIL)
        if index.plan.searches:
            return
        mistakes = {
            "collation": index.collated,
            "expression_later": "" in index.columns[1:],
            "other_expression": "" in index.columns,
            "plain_column": True,
        }
        self.refuse_first(mistakes, call=answer, got=str(index.plan), expected="SEARCH")
