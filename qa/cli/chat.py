"""A conversation saved to a file, as Markdown."""

import io
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from qa.answering.assemble import SAYS_NOT
from qa.answering.followup import (
    Interpreter,
    Turn,
    Understood,
    asked_line,
    by_rules,
    context_of,
    numbers_of,
    with_cost_of,
    with_lists,
)
from qa.answering.reading import Limits
from qa.answering.results import Answer
from qa.answering.safe_text import clean_line
from qa.answering.wording import candidates_text, coverage_line
from qa.cli.ask import NO_MODEL, note_warnings, show
from qa.cli.corpus import print_paper
from qa.cli.display.answer import console, print_hanging, show_papers
from qa.cli.display.progress import Display
from qa.config import Config, error_text
from qa.corpus.filters import Filters
from qa.errors import ConfigError, QAError, UsageError
from qa.export.markdown import Section, transcript
from qa.export.references import answer_references
from qa.library import HOW_TO_WRITE, Library, open_library, run
from qa.llm.messages import Usage
from qa.llm.pricing import cost_usd
from qa.llm.prompts import load_prompt
from qa.retrieval.query import checked_question

FORCE = " --force"


def save(turns: Sequence[Turn], library: Library, wanted: str) -> Path:
    """Write the questions and answers to a new file, or with `--force` over an old one.

    `wanted` is what was typed: the file's name, perhaps in quotes. Raises UsageError, ConfigError.
    """
    name = wanted.removesuffix(FORCE).strip().strip("\"'")
    if not name:
        raise UsageError("Say where to: /save answers.md")
    path, write = Path(name), _replace if wanted.endswith(FORCE) else _create
    text = transcript(f"Questions to {library.config.corpus.name}", _sections(turns, library))
    try:
        path = path.expanduser()
        write(path, text.encode(errors="replace"))
    except FileExistsError as exc:
        raise UsageError(f"{path} exists. To replace it: /save {name}{FORCE}") from exc
    except (OSError, RuntimeError) as exc:  # the latter for a home that there is not
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"{path} cannot be written: {reason}. Save elsewhere.") from exc
    return path


def _create(path: Path, content: bytes) -> None:
    """Write a new file, the whole of it or none; raises FileExistsError for one that there is."""
    file = path.open("xb")
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some systems tell only then that the disk is full
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, content: bytes) -> None:
    """Put a file in another's place, which stays as it is until the new one is whole."""
    path = path.resolve()  # what a link leads to is replaced, and not the link
    if path.exists() and not path.is_file():  # a device, in whose place nothing may be put
        path.write_bytes(content)
        return
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    _create(part, content)
    try:
        if path.exists():
            path.open("ab").close()  # raises for a file that may not be written
            shutil.copymode(path, part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sections(turns: Sequence[Turn], library: Library) -> Iterator[Section]:
    for turn in turns:
        answer = turn.answer
        references = answer_references(answer, library.papers_of(answer.papers))
        asked = asked_line(turn.typed, turn.understood)
        yield Section(turn.typed, asked, answer, references, coverage_line(answer))


COMMANDS = {
    "/papers": "list the last answer's papers again",
    "/show": "N: show the abstract of [N], its evidence marked",
    "/wider": "ask the last question of the whole corpus",
    "/new": "forget what was asked: the next question stands for itself",
    "/save": "FILE: write all questions and answers as Markdown",
    "/help": "this list",
    "/quit": "end; so does Ctrl-D",
}
NOTHING_ANSWERED = "No question has been answered yet."
ALIASES = {"exit": "/quit", "quit": "/quit", "/exit": "/quit", "help": "/help", "?": "/help"}
HELP = (
    "“which of those release code?” is asked of the last answer's papers, “what does [3] measure?” "
    "of one of them, “and for graphs?” goes on with the last question. Ctrl-C stops an answer."
)


class Conversation:
    """One conversation with an open library."""

    def __init__(self, library: Library, filters: Filters, *, verbose: bool) -> None:
        self._library = library
        self._filters = filters
        self._verbose = verbose
        self._turns: list[Turn] = []  # that the next question may point back to
        self._all: list[Turn] = []
        self._out = console()
        self._err = console(stderr=True)

    def greet(self) -> None:
        """Say what is asked, and by what."""
        model = self._library.model
        asked = candidates_text(self._library.retriever(self._filters).scope)
        self._note(f"{asked}, {model or 'no chat model'}. /help lists what you can do.")
        if model is None and (self._library.config.model or "").lower() != NO_MODEL:
            self._note(HOW_TO_WRITE)

    def hear(self, typed: str) -> bool:
        """Do what a line asks for; False if it ends the conversation. Raises QAError."""
        line = clean_line(typed)
        line = ALIASES.get(line.lower(), line)
        if line.startswith("/"):
            name, _, rest = line.partition(" ")
            return self._obey(_command(name), rest.strip())
        if line:
            self._ask(checked_question(line))
        return True

    def _obey(self, command: str, rest: str) -> bool:
        match command:
            case "/papers":
                answer = with_lists([self._last, *self._turns])[-1].answer
                show_papers(self._out, answer)
                self._out.print(coverage_line(answer))
            case "/show":
                self._show(rest)
            case "/wider":
                self._widen()
            case "/new":
                self._turns = []
                self._note("What was asked is forgotten; /save still writes it.")
            case "/save":
                self._save(rest)
            case "/help":
                self._help()
        return command != "/quit"

    @property
    def _last(self) -> Turn:
        if not self._turns:
            since = "No question has been answered since /new."
            raise UsageError(since if self._all else NOTHING_ANSWERED)
        return self._turns[-1]

    def _ask(self, line: str) -> None:
        understood, usage = by_rules(line, context_of(self._turns)), Usage()
        if self._library.model is not None and self._turns:
            with Display(stream=False, verbose=False) as display:
                display.show("Understanding the question")
                understood, usage = run(self._interpreted(line))
        self._put(line, understood, usage)

    async def _interpreted(self, line: str) -> tuple[Understood, Usage]:
        """What the chat model takes the line for, and what that took."""
        folder = self._library.config.prompts
        system, user = (load_prompt(f"followup.{part}", folder) for part in ("system", "user"))
        chat = self._library.chat()
        try:
            interpreter = Interpreter(chat, system, user)
            return await interpreter.understand(line, self._turns), interpreter.usage
        finally:
            await chat.close()

    def _put(self, typed: str, understood: Understood, usage: Usage) -> None:
        """Have the question answered, and show and keep the answer."""
        asked = asked_line(typed, understood)
        if asked:
            print_hanging(self._out, Text(asked, style="dim"), 2)
        with Display(stream=True, verbose=self._verbose) as display:
            answer = self._library.ask(
                understood.question,
                limits=Limits(exhaustive=bool(understood.within)),
                filters=self._reach(understood),
                on_event=display.event,
            )
            display.clear()
            answer = self._with_cost(_told_of(answer, understood), usage)
            self._keep(Turn(typed, understood, answer))
            show(answer, display)
            note_warnings(answer, display)
            display.sum_up(answer)
        if not answer.coverage.candidates:
            self._note(self._library.why_none(self._filters))
        part = 0 < answer.coverage.candidates < answer.coverage.corpus
        if understood.within and part and not (understood.named and answer.papers):
            self._note(f"/wider asks {self._everything()}.")

    def _reach(self, understood: Understood) -> Filters:
        """The filters that let through what the question is put to."""
        if not understood.within:
            return self._filters
        ids = tuple(paper.id for paper in understood.within)
        if understood.named:
            numbers = tuple(paper.n for paper in understood.within)
            are = numbers_of(understood.within)
            return replace(self._filters, ids=ids, ids_are=are, numbers=numbers)
        last = understood.within == with_lists(self._turns)[-1].answer.papers
        are = f"the papers of {'the last' if last else 'an earlier'} answer"
        return replace(self._filters, ids=ids, ids_are=are)

    def _everything(self) -> str:
        count = self._library.generation.paper_count
        return "every paper that passes the filter" if self._filters else f"all {count:,} papers"

    def _with_cost(self, answer: Answer, usage: Usage) -> Answer:
        if answer.model is None:
            return answer
        base_url = self._library.config.base_url
        return with_cost_of(answer, usage, cost_usd(answer.model, usage, base_url=base_url))

    def _keep(self, turn: Turn) -> None:
        self._turns.append(turn)
        self._all.append(turn)

    def _widen(self) -> None:
        understood = self._last.understood
        if not understood.within:
            raise UsageError("The last answer is of the whole corpus already.")
        wider = understood.wider
        self._put("/wider", Understood(wider, wider), Usage())

    def _show(self, wanted: str) -> None:
        last, context = self._last, context_of(self._turns)
        shown = {paper.n: paper for paper in context.shown} if context else {}
        if last.understood.named:  # with other evidence than when they were listed
            shown |= {paper.n: paper for paper in last.answer.papers + last.answer.nearest}
        number = re.fullmatch(r"\[?(\d{1,6})\]?", wanted)
        if number is None:
            raise UsageError("Say which paper, by its number: /show 1")
        entry = shown.get(int(number[1]))
        if entry is None:
            papers = f"[1] to [{max(shown)}]" if shown else "none"
            raise UsageError(f"The last list has no [{number[1]}]: its papers are {papers}.")
        paper = self._library.papers_of([entry])[0]
        print_paper(self._out, paper, self._library.config.corpus.name, entry.evidence)

    def _help(self) -> None:
        width = max(map(len, COMMANDS))
        for name, does in COMMANDS.items():
            print_hanging(self._out, Text(f"{name:{width}}  {does}"), width + 2)
        print_hanging(self._out, Text(HELP), 0)

    def _save(self, wanted: str) -> None:
        if not self._all:
            raise UsageError(NOTHING_ANSWERED)

        path = save(self._all, self._library, wanted)
        questions = "1 question" if len(self._all) == 1 else f"{len(self._all)} questions"
        self._note(f"Wrote {questions} to {path}")

    def _note(self, text: str) -> None:
        if text:
            self._err.print(Text(text, style="dim"))


def _told_of(answer: Answer, understood: Understood) -> Answer:
    """The answer, saying of the papers that were asked what it says of the whole corpus."""
    if not understood.within or not answer.answer.startswith(SAYS_NOT):
        return answer
    says_not = "This paper does" if len(understood.within) == 1 else "These papers do"
    text = f"{says_not} not say so.{answer.answer.removeprefix(SAYS_NOT)}"
    return replace(answer, answer=text)


def _command(name: str) -> str:
    """The command of this name, or of which this is the start; raises UsageError."""
    name = ALIASES.get(name.lower(), name.lower())
    meant = [known for known in COMMANDS if name != "/" and known.startswith(name)]
    if len(meant) != 1:
        told = f"{name} may be {' or '.join(meant)}" if len(meant) > 1 else f"There is no {name}"
        raise UsageError(f"{told}. /help lists what you can do.")
    return meant[0]


PROMPT = "> "


def hold_chat(config: Config, filters: Filters, *, verbose: bool) -> int:
    """Hold a conversation on the terminal, or along the script on stdin; returns the exit code."""
    with Display(stream=False, verbose=False) as display:
        library = open_library(config, display.work, display.note)
    with library:
        talk = Conversation(library, filters, verbose=verbose)
        if sys.stdin.isatty():
            talk.greet()
        if sys.stdin.isatty() and sys.stdout.isatty():
            _typed(talk, config)
            return 0
        return _scripted(talk)


def _typed(talk: Conversation, config: Config) -> None:
    from qa.cli.line_editor import LineEditor

    err = console(stderr=True)
    editor = LineEditor(PROMPT, list(COMMANDS), config.cache / "chat_history")
    interrupted = ""  # what to say of a Ctrl-C, said where a second one does no harm either
    while True:
        try:
            if interrupted:
                err.print(f"{interrupted}\n")
            interrupted = "Ctrl-D ends."
            line = editor.read()
            interrupted = "Stopped. What was read is kept."
            if line is None or not _heard(talk, line)[0]:
                return
            interrupted = ""
        except KeyboardInterrupt:
            continue


def _scripted(talk: Conversation) -> int:
    out, err = console(), console(stderr=True)
    code = 0
    for line in filter(None, map(clean_line, _lines(err))):
        out.print(PROMPT + line)
        goes_on, done = _heard(talk, line)
        if not done:
            code = 1
        if not goes_on:
            break
    return code


def _heard(talk: Conversation, line: str) -> tuple[bool, bool]:
    """Do what the line asks for: whether the conversation goes on, and whether that could be done.

    An error is said, and nothing is lost by it.
    """
    goes_on, done = True, True
    try:
        goes_on = talk.hear(line)
    except QAError as exc:
        console(stderr=True).print(f"Error: {error_text(exc)}")
        done = False
    if goes_on and line.strip():
        console().print()
    return goes_on, done


def _lines(err: Console) -> Iterator[str]:
    """The lines of stdin, each as it comes; a person whose output goes elsewhere gets a prompt."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    while True:
        if sys.stdin.isatty():
            err.print(PROMPT, end="")
        line = sys.stdin.readline()
        if not line:
            return
        yield line
