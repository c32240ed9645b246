"""An index on the expression that the query compares."""

from typing import Any, ClassVar

from course_lib.exercises.index_exercise import IndexExercise

BY_EMAIL = "SELECT id, name FROM users WHERE lower(email) = ?"


class CaseBlind(IndexExercise):
    """An index on the expression that the query compares."""

    name = "case_blind"
    task = f"""The login looks for an account, and its query cannot be changed:

    {BY_EMAIL}

An index on `email` does not help. Write the `CREATE INDEX` statement that does."""
    stub = 'case_blind = ...  # "CREATE INDEX ..."'
    hints = (
        "What is compared is not the column but a value made from it.",
        "An index may hold the value of an expression, in the place of a column.",
        "`CREATE INDEX idx_users_lower_email ON users(...)`: write the left side of the `=` there.",
    )
    case_blind = "CREATE INDEX idx_users_lower_email ON users(lower(email))"
    praise = "An index on an expression is used where the query has that same expression."
    refusals: ClassVar = {
        "plain_column": (
            "This index is sorted by the email as it was typed; the query compares its lower-case form.",
            "Index the expression: what stands left of the `=`.",
        ),
        "collation": (
            "NOCASE is another way to be blind to case, for a query on the bare column; this one calls lower().",
            "Index the expression itself.",
        ),
        "other_expression": (
            "An index on an expression serves that very expression only.",
            "Copy what stands left of the `=`.",
        ),
        "expression_later": (
            "An index is sorted by what stands first in it, and here the expression stands later.",
            "Begin with the expression.",
        ),
        "wrong_table": ("The query reads the table users.", "Make the index on users."),
    }

    def judge(self, answer: Any) -> None:
        """The plan must search; the query stays as it is."""
        database, columns, plan = self.indexed(answer, BY_EMAIL)
        if not plan.searches:
            table, sql = database.execute(
                "SELECT lower(tbl_name), sql FROM sqlite_master WHERE type = 'index'"
            ).fetchone()
            mistake = "other_expression" if "" in columns else "plain_column"
            mistake = "expression_later" if "" in columns[1:] else mistake
            mistake = "collation" if "NOCASE" in sql.upper() else mistake
            self.refuse(
                "wrong_table" if table != "users" else mistake,
                call=answer,
                got=str(plan),
                expected="SEARCH",
            )
