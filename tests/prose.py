"""Find sentences that break the rules of style, in Python, Lua, Markdown, TOML and notebooks.

The numbers of the rules are those in CONTRIBUTING.md, "How we write".
"""

import ast
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LONGEST_LINE = 100

# A word before "where" that makes it a place, or a question.
PLACE = (
    "is|are|was|be|s|see|sees|show|shows|know|knows|find|finds|check|mark|marks|to|from|exactly|and|or|"
    "place|places|page|line|lines|folder|file|files|cell|point|spot|position|side|code|key|case|cases|"
    "situation|situations|table|column|section|lesson|list|process|thread|machine|server|path|step|layer"
)
# Patterns for sentences whose code is replaced by CODE. Each must leave good English alone.
RULES = {
    2: [
        r"\b(?:for|by|with|from|than) who\b(?!m|se)",
        r"(?<!regardless )(?<!irrespective )(?<!record )(?<!idea )(?<!list )(?<!track )\bof who\b",
        r"(?<!as )\bto who\b",
        r"(?-i:^Who)\b(?!.*\?)",
        r"[;:] who\b(?!.*\?)",
        r"\bwhat (?:had |has |have )?bec[ao]mes? of\b",
    ],
    3: [
        r"(?-i:^Where) (?!to\b)(?!.*\?)[^,]*,",
        r"\b(?:nan|nothing|else|empty|0) where\b",
        r"\b(?-i:None|True|False|\w*Error|\w+Unavailable) where\b",
        rf"\b(?!(?:{PLACE})\b)\w+ where (?:it|that|this|these|those|they) "
        r"(?:is|are|was|were|has|have|does|do|did|can|could|may|must|should)"
        r"(?:n[o']t| not| missing| unset| set| there| given| wanted| absent| too| already)\b",
        rf"\b(?!(?:{PLACE})\b)\w+ where "
        r"(?:there (?:is|are|was|were)(?:n't)?|nothing|none|neither)\b",
    ],
    5: [
        r"(?<!as it )(?<!things )(?<!-)\b(?:stands?|stood)\b"
        r"(?!-| (?:for|in for|out|by|up|still|alone|guard|down|apart|on its own)\b)",
        r"(?<!-)\bstanding (?:in|at|on|under|beside|behind|before|between|there)\b",
        r"(?<!problem )(?<!difference )(?<!cause )(?<!reason )(?<!fault )"
        r"\b(?:lies?|lay|lying) "
        r"(?:in|under|at|on|beside|outside|there|here|below|above|behind|ready)\b",
    ],
    7: [r"\b(?:some|no|every)body(?:'s)?\b"],
    8: [r"\bin turns\b"],
    9: [
        r"\b(?:anew|afresh|meanwhile|beforehand|thereby|lest|whosoever)\b",
        r"\bdear(?:er|est|ly)?\b",
        r"\bfor ever\b",
        r"(?<!hard to )(?<!easy to )\b(?:come|comes|came|coming) by\b",
        r"\b(?:at hand|of ours|on the average)\b",
        r"(?<!why )(?<!not )\bso many\b(?!.*\bthat\b)",
        r"\b(?:says?|said) so\b(?! (?:many|much|far))",
        r"(?<!soon )(?<!long )(?<!far )\bas it is(?=[.,;:)]|$| (?:and|or|but)\b)",
    ],
    10: [r"(?-i:^Of) an? "],
}
PATTERNS = [(rule, re.compile(text, re.IGNORECASE)) for rule in RULES for text in RULES[rule]]
CLAUSE = re.compile(r"(?:What|Whether|How|Who)\b(?!.*\?)")

# The first word of a function's docstring is one of these (rule 6). Add the verbs that are missing.
VERBS = set((ROOT / "tests/data/verbs.txt").read_text().split())


class Passage(NamedTuple):
    """A piece of prose: the line where it starts, its text, and what it is."""

    line: int
    text: str
    kind: str = "prose"  # or: function (a docstring that begins with a verb), docstring, heading


class Finding(NamedTuple):
    file: Path
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.sentence}"


# --- reading files ------------------------------------------------------------------------------


def passages(file: Path) -> Iterator[Passage]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        yield from of_python(text)
    elif file.suffix == ".lua":
        yield from of_markdown("\n".join(map(lua_comment, text.splitlines())))
    elif file.suffix == ".toml":
        yield from of_markdown(re.sub(r'^[\w.-]+ = "*', "", text, flags=re.MULTILINE))
    elif file.suffix == ".ipynb":
        yield from of_notebook(text)
    else:
        yield from of_markdown(text)


def lua_comment(line: str) -> str:
    """Return the text of a line that's a comment, else an empty line."""
    line = line.lstrip()
    return line.lstrip("- ") if line.startswith("--") else ""


def of_notebook(text: str) -> Iterator[Passage]:
    """Read the cells of a notebook; the line of a passage is the number of its cell."""
    for number, cell in enumerate(json.loads(text)["cells"]):
        read = of_markdown if cell["cell_type"] == "markdown" else of_python
        for passage in read("".join(cell["source"])):
            yield passage._replace(line=number)


def of_python(source: str) -> Iterator[Passage]:
    try:
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:  # a cell with a magic, or a stub
        return
    docstrings = dict(docstrings_of(tree))
    for node in strings_in(tree):
        text = string_of(node)
        kind = docstrings.get(id(node), "prose")
        if kind == "prose" and not is_prose(text):
            continue
        for number, passage in enumerate(of_markdown(dedent(text))):
            first_kind = kind if number == 0 else "prose"
            yield Passage(node.lineno + passage.line - 1, passage.text, first_kind)
    yield from comments(source)


def strings_in(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the strings, but not the parts of f-strings."""
    inside_f_strings = set()
    for node in ast.walk(tree):  # parents come before their children
        if isinstance(node, ast.JoinedStr):
            inside_f_strings |= {id(part) for part in ast.walk(node) if part is not node}
        if string_of(node) is not None and id(node) not in inside_f_strings:
            yield node


def docstrings_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the docstrings, with those of attributes, by identity."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for number, statement in enumerate(body if isinstance(body, list) else ()):
            if not isinstance(statement, ast.Expr) or string_of(statement.value) is None:
                continue
            starts_with_verb = number == 0 and is_function(node)
            yield id(statement.value), "function" if starts_with_verb else "docstring"


def is_function(node: ast.AST) -> bool:
    """Return True for a function or a method that isn't a property or a fixture."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return not any(name.endswith(("property", "fixture")) for name in decorators)


def string_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "CODE" for part in node.values)
        return "".join(parts)
    return None


def dedent(text: str) -> str:
    """Remove the common indentation of all lines but the first, which has none in a docstring."""
    first, newline, rest = text.partition("\n")
    return first.lstrip() + newline + textwrap.dedent(rest)


def is_prose(text: str) -> bool:
    """Return True for a string of three words or more that isn't SQL or Python."""
    if len(re.findall(r"[A-Za-z]{2,}", text)) < 3 or " " not in text.strip():
        return False
    if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|PRAGMA|EXPLAIN|DROP|ALTER)\b", text):
        return False
    try:
        ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return True
    return False


def comments(source: str) -> Iterator[Passage]:
    """Yield the comments, joining those on consecutive lines that start in the same column."""
    joined: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, column = token.start
        if not joined or joined[-1].start != (line - 1, column):
            yield from joined_comments(joined)
            joined = []
        joined.append(token)
    yield from joined_comments(joined)


def joined_comments(tokens: list[tokenize.TokenInfo]) -> Iterator[Passage]:
    text = "\n".join(comment_text(token.string) for token in tokens)
    for passage in of_markdown(text):
        yield passage._replace(line=tokens[0].start[0] + passage.line - 1)


def comment_text(comment: str) -> str:
    text = comment.lstrip("#! ").strip(" -")
    return re.sub(r"^(?:noqa|type|mypy|pragma|ruff|shellcheck)\b:?\s*\S*(?:, ?\w+\d+)*", "", text)


def of_markdown(text: str) -> Iterator[Passage]:
    """Yield the paragraphs, list items, table cells and headings, without code."""
    blanks = re.compile(r"^```.*?^```|^~~~.*?^~~~|<!--.*?-->", re.MULTILINE | re.DOTALL)
    text = blanks.sub(lambda block: "\n" * block[0].count("\n"), text)
    start, lines, blank = 0, [], True
    for number, line in enumerate([*text.splitlines(), ""], 1):
        is_code = line.startswith(("    ", "\t", ">>> ")) and (blank or not lines)
        opens = re.match(r"\s*(?:[-*+] |\d+[.)] |\||#+ )", line)
        blank = not line.strip() or is_code
        if blank or opens:
            if lines:
                yield Passage(start, " ".join(lines))
            lines = []
        if blank:
            continue
        if line.lstrip().startswith("#"):
            yield Passage(number, line.lstrip("# "), "heading")
        elif line.lstrip().startswith("|"):
            for cell in line.strip().strip("|").split("|"):
                yield Passage(number, cell.strip(), "heading")
        else:
            start = start if lines else number
            lines.append(re.sub(r"^(?:[-*+]|\d+[.)]) ", "", line.strip()))


# --- judging ------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Replace code by CODE (but None, True and errors stay), and remove markup."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"``?([^`]+)``?", code_word, text)
    text = re.sub(r"<[a-z/][^>]*>", "", text)
    return re.sub(r"\s+", " ", text.replace("*", "")).strip()


def code_word(match: re.Match[str]) -> str:
    word = match[1].strip()
    return word if re.fullmatch(r"None|True|False|nan|0|\w*(?:Error|Unavailable)", word) else "CODE"


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) +(?=[A-Z\"'(])", text)


def faults(passage: Passage) -> Iterator[tuple[str, str]]:
    """Yield the rule and the sentence for each fault of a passage."""
    text = plain(passage.text)
    if passage.kind == "function":
        first = re.match(r"[A-Za-z-]*", text)[0].lower()
        if first.partition("-")[2] not in VERBS and first not in VERBS:
            yield "rule 6", text
    elif passage.kind == "docstring" and CLAUSE.match(text):
        yield "rule 6", text
    for sentence in sentences(text):
        for rule, pattern in PATTERNS:
            if passage.kind == "heading" and "^" in pattern.pattern:
                continue
            if pattern.search(sentence):
                yield f"rule {rule}", sentence
                break


def long_lines(file: Path) -> Iterator[Finding]:
    """Yield lines over the limit. Tables and lines with an address can't be wrapped."""
    if file.suffix == ".ipynb":
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        cannot_wrap = file.suffix == ".md" and line.lstrip().startswith(("|", "!["))
        if len(line) > LONGEST_LINE and not cannot_wrap and "://" not in line:
            yield Finding(file, number, f"{len(line)} characters", line.strip())


def findings(file: Path) -> Iterator[Finding]:
    for passage in passages(file):
        for rule, sentence in faults(passage):
            yield Finding(file, passage.line, rule, sentence)
    yield from long_lines(file)


def files_in(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    suffixes = {".py", ".md", ".lua", ".toml", ".ipynb"}
    return sorted(file for file in path.rglob("*") if file.suffix in suffixes)
