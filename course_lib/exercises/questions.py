"""Short questions: warm-ups that look back at earlier lessons, and recaps at a lesson's end.

Being asked about something a while after learning it is what makes it stay (Roediger, Karpicke 2006). The answers
stand here, not in the notebooks, so that none is seen above its question.
"""

import re
from dataclasses import dataclass
from types import EllipsisType

from course_lib.lab import progress, session
from course_lib.lab.show import Card


@dataclass(frozen=True)
class Question:
    """A question, the lesson that it looks back at, and what is said to each choice."""

    lesson: str
    text: str
    choices: dict[str, tuple[str, str]]
    """For each letter: the choice, and what is said to who takes it."""
    right: str


WARM_UPS = (
    Question(
        "welcome",
        "A request takes 300 ms, and after a cure 60 ms. How many times faster is it?",
        {
            "a": ("0.2 times", "That is the new time over the old."),
            "b": ("5 times", "The old time over the new."),
            "c": (
                "240 ms",
                "That is the time saved; on another machine it would be another number.",
            ),
        },
        "b",
    ),
    Question(
        "welcome",
        "Why does the bench run before and after in turns, and not first all of one and then all of the other?",
        {
            "a": ("It saves time.", "Both orders take equally long."),
            "b": ("So that the caches are warm.", "They are warmed beforehand, once for each."),
            "c": (
                "So that a machine that slows down meanwhile slows down both.",
                "What changes with time then falls on both sides alike.",
            ),
        },
        "c",
    ),
    Question(
        "caching",
        "An endpoint behind a cache: hit rate 88%, P50 4 ms, P90 480 ms. Is the cache broken?",
        {
            "a": (
                "Yes: a cache that works would bring the P90 down too.",
                "From 90% hits on, and not before.",
            ),
            "b": (
                "Yes: Redis has become slow.",
                "Then the hits would be slow too, and with them the P50.",
            ),
            "c": (
                "No: 12 of 100 requests are misses, and the 90th by its time is one of them.",
                "The cache does its work for 88. The P90 falls when more are hits, or when a load is made faster.",
            ),
            "d": (
                "No: the slowest tenth are outliers.",
                "They are the misses: 12 in 100 users wait for a whole load.",
            ),
        },
        "c",
    ),
    Question(
        "caching",
        "A service deletes a user's cached totals, and after that writes the new event. How can the totals be old in "
        "the end?",
        {
            "a": (
                "Between the two somebody misses, loads the old totals and stores them.",
                "Write first, then delete; and even then a load that began before the write may end after the delete.",
            ),
            "b": (
                "Redis deletes some time later.",
                "Once DEL is answered, nobody reads the key any more.",
            ),
            "c": (
                "The TTL was too long.",
                "It says for how long they stay old, not how they came to be.",
            ),
        },
        "a",
    ),
    Question(
        "indexing",
        "A radio shows what a listener skipped last: `listener = ? AND skipped = 1 ORDER BY played_at DESC LIMIT 10`. "
        "Each of the three columns has an index of its own. What will make it fast for every listener?",
        {
            "a": (
                "Nothing more: the three are combined.",
                "For conditions joined by AND SQLite takes one of them.",
            ),
            "b": (
                "One index on all three columns, `played_at` first.",
                "It is in the right order, but who skipped nothing lately makes it walk past everybody else's songs.",
            ),
            "c": (
                "One index on all three columns, `played_at` last.",
                "First what is compared with `=`, then what sorts: ten entries are read, lying side by side.",
            ),
        },
        "c",
    ),
    Question(
        "indexing",
        "The same radio's front page says how many minutes all listeners together have heard. No index makes that as "
        "quick as one listener's list. Why?",
        {
            "a": (
                "`sum()` cannot use an index.",
                "It can: a covering index is read in place of the table.",
            ),
            "b": (
                "Every song counts, so every entry is read, whatever their order.",
                "An index finds few rows among many. A total needs them all: it has to be remembered.",
            ),
            "c": (
                "The index would be too large for memory.",
                "In memory too, every entry would still be added up.",
            ),
        },
        "b",
    ),
    Question(
        "rate_limiting",
        "A login allows five tries a minute for each account. Which attack goes on all the same?",
        {
            "a": (
                "A thousand passwords for one account.",
                "That one stops: five a minute, whoever tries.",
            ),
            "b": (
                "One password for a thousand accounts.",
                "Each account sees one try. Against that the tries of each address are counted as well.",
            ),
            "c": (
                "None.",
                "A limit stops what it counts. What is the same in all tries of the other attack?",
            ),
        },
        "b",
    ),
    Question(
        "rate_limiting",
        "And what does that limit make possible, which was not possible before?",
        {
            "a": ("Guessing more passwords.", "Fewer: five a minute."),
            "b": (
                "Keeping somebody out of their account, by failing in their name.",
                "Whoever knows the name can use up its tries. So keep such a limit short, and count addresses as well.",
            ),
            "c": ("Nothing.", "Whose tries are counted? And who can make tries in that name?"),
        },
        "b",
    ),
    Question(
        "monitoring",
        "A report takes 4 seconds and is asked for 10 times an hour; a search takes 60 ms and is asked for 20,000 "
        "times. One evening: which do you make twice as fast?",
        {
            "a": (
                "The report: nobody should wait for 4 seconds.",
                "It saves 20 seconds of waiting an hour.",
            ),
            "b": (
                "The search: it saves ten minutes of waiting an hour.",
                "How often, times how long: 20 against 600 s.",
            ),
            "c": (
                "Either: twice as fast is twice as fast.",
                "Of how much? One is 40 seconds an hour, the other 1,200.",
            ),
        },
        "b",
    ),
    Question(
        "monitoring",
        "Three servers report a P90 of 40 ms each, a fourth one of 400 ms. What is the P90 of the service?",
        {
            "a": ("130 ms", "That is the mean of the four: no request need have taken it."),
            "b": (
                "400 ms",
                "That is the slowest server's, and it may have answered one request in a thousand.",
            ),
            "c": (
                "Nobody can tell from that.",
                "It depends on who answered how many, and on how those are spread. Counts in buckets would tell.",
            ),
        },
        "c",
    ),
)

QUESTIONS = {
    "fresh_plan": Question(
        "indexing",
        "In course_lib/optimizer.py: how does analyze_query_performance make sure, on a connection that you hand it, "
        "that the plan is not one from before somebody else made an index?",
        {
            "a": (
                "It opens a second connection.",
                "That is what it does for a path; a connection is used as it is.",
            ),
            "b": (
                "It reads sqlite_master first, and gives the EXPLAIN a text of its own.",
                "The first makes SQLite notice a new schema, the second keeps it from reusing a prepared statement.",
            ),
            "c": (
                "It runs ANALYZE.",
                "That would write to your database; a look at a plan must not.",
            ),
        },
        "b",
    ),
    "recap_plan": Question(
        "indexing",
        "The plan says `SCAN events USING INDEX idx_events_created_at`. What is read?",
        {
            "a": ("A few entries of the index.", "That would be a SEARCH."),
            "b": (
                "The whole index, and for each entry a row of the table.",
                "A scan in the order of the index: often more work than without it.",
            ),
            "c": ("The index alone.", "Then it would say COVERING INDEX."),
        },
        "b",
    ),
    "recap_order": Question(
        "indexing",
        "A shop asks for a customer's open orders, newest first (`customer_id = ? AND state = 'open' ORDER BY "
        "placed_at DESC`). Which one index?",
        {
            "a": (
                "(placed_at, customer_id, state)",
                "Sorted by time first, one customer's orders lie scattered.",
            ),
            "b": (
                "(customer_id, placed_at, state)",
                "It works, but closed orders are walked over on the way.",
            ),
            "c": (
                "(customer_id, state, placed_at)",
                "The equalities first, in any order, then what sorts.",
            ),
            "d": (
                "three indexes, one a column",
                "For conditions joined by AND SQLite takes one of them.",
            ),
        },
        "c",
    ),
    "recap_total": Question(
        "indexing",
        "And the shop's total turnover, over all customers? What does a covering index change?",
        {
            "a": (
                "It makes it as fast as a lookup.",
                "Every row still counts, so every entry is still read.",
            ),
            "b": (
                "It reads less for each row, and still grows with the table.",
                "A few times faster, not a thousand. Beyond that the total must be remembered: that is lesson 1.",
            ),
            "c": (
                "Nothing.",
                "An index is narrower than the table: fewer pages for the same rows.",
            ),
        },
        "b",
    ),
    "lost_lease": Question(
        "caching",
        "In course_lib/cache.py: a process dies in the middle of a load, and its lease stays in Redis. What becomes of "
        "those who wait for that value in other processes?",
        {
            "a": ("They wait for ever.", "A lease has a lifetime, as all that is written there."),
            "b": (
                "They are given an error at once.",
                "Nobody tells them that the process has died.",
            ),
            "c": (
                "They look again every few milliseconds; once the lease has expired, one gets a new one.",
                "And loads. A lease lives a second longer than a load may take, so none under way loses its own.",
            ),
            "d": (
                "Each of them loads for itself.",
                "That would be the stampede again: one of them loads.",
            ),
        },
        "c",
    ),
    "recap_hit": Question(
        "caching",
        "Hits take 5 ms, misses 500 ms. What is the P99 at 98% hits, and what at 99.5%?",
        {
            "a": ("15 ms and 7.5 ms", "Those are the means, and no request takes as long as that."),
            "b": (
                "500 ms and 5 ms",
                "Of 100 sorted requests the 99th is a miss at 98 hits; at 99.5% it is a hit.",
            ),
            "c": (
                "5 ms and 5 ms",
                "At 98% the hits end with the 98th request; the 99th is a miss.",
            ),
            "d": (
                "500 ms and 500 ms",
                "At 99.5% there is one miss in 200: the 198th of them is a hit.",
            ),
        },
        "b",
    ),
    "recap_ttl": Question(
        "caching",
        "`SET a 1 EX 100`, and a second later `SET a 2`. When does `a` go away?",
        {
            "a": (
                "After 99 more seconds.",
                "Only `SET a 2 KEEPTTL` would leave the lifetime that it had.",
            ),
            "b": (
                "After 100 more seconds.",
                "The second SET names no lifetime, and the first one's is not begun anew.",
            ),
            "c": (
                "Never by itself.",
                "A SET without a lifetime takes away the one that was there: `TTL a` says -1. Name it with every SET.",
            ),
        },
        "c",
    ),
    "recap_key": Question(
        "caching",
        "A page is cached under its URL, and the URLs carry `?session=...`. What is seen?",
        {
            "a": (
                "Errors: a key may not contain such characters.",
                "Redis takes any bytes as a key.",
            ),
            "b": (
                "One user sees another one's page.",
                "That is what comes of a key with too little in it. Here it has too much.",
            ),
            "c": (
                "Few hits, and more and more keys.",
                "No session looks under another one's key. Into the key goes what the answer depends on, nothing else.",
            ),
            "d": (
                "Old pages.",
                "How old they may become is a matter of the TTL and of what is invalidated.",
            ),
        },
        "c",
    ),
    "atomic": Question(
        "rate_limiting",
        "In course_lib/limiter.py: many processes ask about one client at once. What keeps each decision from reading "
        "a count that another one is about to change?",
        {
            "a": ("A lock in `RateLimiter`.", "It would hold in one process; there is none."),
            "b": (
                "The whole decision is one script, `self._script.run`, and Redis runs nothing beside a script.",
                "It reads, compares and writes, and only then is the next command's turn.",
            ),
            "c": (
                "MULTI and EXEC.",
                "In a transaction nothing can be decided: answers come when all is done.",
            ),
            "d": ("The circuit breaker.", "It decides whether Redis is asked at all."),
        },
        "b",
    ),
    "recap_expire": Question(
        "rate_limiting",
        "A limiter counts with INCR, and calls EXPIRE 60 after every request. The limit is 5 a minute, and a client "
        "sends one request every 10 seconds, all day. How many pass?",
        {
            "a": ("5 a minute", "Each request begins the minute anew, so that it never ends."),
            "b": ("all of them", "Six come in a minute; the count goes on."),
            "c": (
                "5, and never again",
                "The window never ends, for each refused request prolongs it. Only the first may set the lifetime.",
            ),
        },
        "c",
    ),
    "recap_page": Question(
        "rate_limiting",
        "Visitors send 40 requests in a second when they open the site, and one every ten seconds afterwards. What "
        "lets them through, and anybody else as little as can be?",
        {
            "a": (
                "sliding log, 40/minute",
                "It allows 40 in each minute, for ever. After the first minute 6 do.",
            ),
            "b": ("fixed window, 46/minute", "The same, and at a boundary twice that."),
            "c": (
                "token bucket, 10/minute burst 40",
                "The burst opens the site, the rate serves who stays. Two needs, two numbers.",
            ),
            "d": ("two counters, 10/minute", "The first second alone needs 40."),
        },
        "c",
    ),
    "recap_flood": Question(
        "rate_limiting",
        "After a limiter was put in, the P90 of all answers fell from 900 ms to 3 ms. What do you ask first?",
        {
            "a": ("Nothing: it works.", "A refusal is an answer too, and a quick one."),
            "b": (
                "What is the P90 of the admitted?",
                "Refusals are quick: with enough of them the P90 of all is theirs, whatever the others wait.",
            ),
            "c": (
                "Can the limit be lower still?",
                "Then more are refused, and the figure looks better still.",
            ),
        },
        "b",
    ),
    "background_task": Question(
        "monitoring",
        "In course_lib/monitor.py: an endpoint sends its answer, and a background task of it then works for a minute. "
        "What does the middleware record for the request?",
        {
            "a": (
                "The time to the last byte of the answer.",
                "It ends the request where it hands on the last part. When the app is done only comes after that.",
            ),
            "b": (
                "A minute more than the user waited.",
                "A timer round `await app(...)` does: yours among them.",
            ),
            "c": (
                "The time to the first byte.",
                "There it notes the status only; a stream goes on after that.",
            ),
            "d": (
                "Nothing until the minute is over.",
                "It is counted as soon as the user has it all.",
            ),
        },
        "a",
    ),
    "recap_timer": Question(
        "monitoring",
        "The timer in your app says that no request takes longer than 50 ms. Users report seconds. Where do you look?",
        {
            "a": (
                "At the network: it must be there.",
                "Perhaps. But something nearer by can do that too.",
            ),
            "b": (
                "Nowhere: the timer has measured it.",
                "It begins when the app is called, and not when a user asks.",
            ),
            "c": (
                "At the event loop's lag: requests may wait before any timer begins.",
                "One blocking call holds up all that come meanwhile, and each one's timer shows its own turn only.",
            ),
        },
        "c",
    ),
    "recap_percentile": Question(
        "monitoring",
        "A load test of 100 requests gives a P99 of 80 ms, the next one of 140 ms. What has changed?",
        {
            "a": ("Something became slower.", "Perhaps; this cannot show it."),
            "b": (
                "Nothing need have: of 100 requests, the P99 is the longest but one.",
                "Two slow ones more or less move it far. Take some thousands, or look at the P90.",
            ),
            "c": (
                "The machine's load; take the mean of the two.",
                "Percentiles cannot be averaged.",
            ),
        },
        "b",
    ),
    "recap_open": Question(
        "monitoring",
        "A load test sends the next request when the last one is answered. The server stands still for ten seconds. "
        "How many requests does the test count as slow?",
        {
            "a": (
                "One for each of its users.",
                "Each waited with one, and sent none meanwhile. All who would have come are missing.",
            ),
            "b": (
                "All that would have come in ten seconds.",
                "They were never sent. An open load sends them.",
            ),
            "c": ("None.", "Those that were on their way are slow, and counted."),
        },
        "a",
    ),
}


def ask(name: str, choice: str | EllipsisType = ...) -> Card:
    """Show a question, or answer it with the letter of a choice. A warm-up looks back at other lessons."""
    if not re.fullmatch("warm-up [12]", name) and name not in QUESTIONS:
        raise ValueError(
            f"there is no question {name!r}; there are warm-up 1, warm-up 2, {', '.join(QUESTIONS)}"
        )
    question = QUESTIONS[name] if name in QUESTIONS else _warm_up(name)
    if isinstance(choice, EllipsisType):
        choices = "\n".join(f"{letter}  {text}" for letter, (text, _) in question.choices.items())
        how = 'Answer by a letter in quotes, such as "a", in place of the dots.'
        return Card("Question", f"{question.text}\n{choices}\n{how}")
    letter = str(choice).strip().lower()
    if letter not in question.choices:
        return Card(
            "Question",
            f"There is no choice {choice!r}; there are {', '.join(question.choices)}.",
            "bad",
        )
    right = letter == question.right
    progress.record("question", session.lesson(), name, choice=letter, right=right)
    return Card(
        "Right" if right else "Not quite", question.choices[letter][1], "good" if right else "bad"
    )


def _warm_up(name: str) -> Question:
    """One question of each other lesson that the learner has done, then a second one; the welcome's where none is done.

    It goes on from the lesson in progress, round and round: for who takes them in order, that begins with the one
    learnt longest ago.
    """
    here = session.LESSONS.index(session.lesson())
    others = [*session.LESSONS[here + 1 :], *session.LESSONS[:here]]
    done = [lesson for lesson in others if lesson != "welcome" and progress.done(lesson)]
    questions = [each for lesson in done for each in WARM_UPS if each.lesson == lesson]
    questions = questions or [each for each in WARM_UPS if each.lesson == "welcome"]
    in_turn = questions[::2] + questions[1::2]  # there are two for each lesson
    return in_turn[int(name.removeprefix("warm-up ")) - 1]
