"""The command `qa chat`: a conversation, in a terminal or along lines from a pipe."""

import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from qa.answering.assemble import SAYS_NOT
from qa.answering.followup import (
    Interpretation,
    QuestionRewriter,
    Turn,
    asked_line,
    by_rules,
    context_of,
    numbers_of,
    turns_with_lists,
    with_cost_of,
)
from qa.answering.reading import Limits
from qa.answering.results import Answer, ListedPaper, Outcome
from qa.answering.safe_text import clean_line
from qa.answering.wording import candidates_text, counted, coverage_line
from qa.cli.ask import FAILURES, NO_MODEL, note_warnings, show
from qa.cli.corpus import print_paper
from qa.cli.display.answer import console, print_hanging, show_papers
from qa.cli.display.progress import Display
from qa.cli.exit_codes import error_line
from qa.cli.reader_judging import VERDICTS, judge_papers
from qa.config import Config
from qa.corpus.filters import Filters
from qa.errors import ConfigError, QAError, UsageError
from qa.export.markdown import Section, transcript
from qa.export.references import answer_papers
from qa.index.layout import replace_file
from qa.library.chat_model import HOW_TO_WRITE
from qa.library.library import AskOptions, Library
from qa.library.opening import open_library
from qa.library.waiting import run
from qa.llm.messages import Usage
from qa.llm.pricing import cost_usd
from qa.llm.prompts import load_prompt
from qa.retrieval.query import checked_question

PROMPT = "> "
COMMANDS = {
    "/papers": "list the last answer's papers again",
    "/show": "N: show the abstract of [N], its evidence marked",
    "/judge": "judge the papers yourself, one key each; your verdicts count above the model's",
    "/yes": "N: [N] answers, whatever the model says; /partly N and /no N likewise",
    "/partly": "N: [N] answers in part",
    "/no": "N: [N] does not answer",
    "/wider": "ask the last question of the whole corpus",
    "/new": "forget what was asked: the next question stands for itself",
    "/save": "FILE: write all questions and answers as Markdown",
    "/help": "this list",
    "/quit": "end; so does Ctrl-D",
}
ALIASES = {"exit": "/quit", "quit": "/quit", "/exit": "/quit", "help": "/help", "?": "/help"}
FORCE = " --force"  # ends a /save that may replace a file
HELP = (
    "“which of those release code?” is asked of the last answer's papers, “what does [3] measure?” "
    "of one of them, “and for graphs?” goes on with the last question. Ctrl-C stops an answer."
)
NOTHING_ANSWERED = "No question has been answered yet."


def hold_chat(config: Config, filters: Filters, *, verbose: bool) -> int:
    """Hold a conversation on the terminal, or answer the lines of stdin; return the exit code."""
    with Display(stream=False, verbose=False) as display:
        library = open_library(config, display.work, display.note)
    with library:
        conversation = Conversation(library, filters, verbose=verbose)
        if sys.stdin.isatty():
            conversation.greet()
        if sys.stdin.isatty() and sys.stdout.isatty():
            _answer_typed_lines(conversation, config)
            return 0
        return _answer_piped_lines(conversation)


class Conversation:
    """One conversation with an open library."""

    def __init__(self, library: Library, filters: Filters, *, verbose: bool) -> None:
        self._library = library
        self._filters = filters
        self._verbose = verbose
        self._turns: list[Turn] = []  # that the next question may refer to
        self._all: list[Turn] = []  # since the beginning, for /save
        self.failed = False  # whether the chat model failed the last question
        self._out = console()
        self._err = console(stderr=True)

    def greet(self) -> None:
        """Print how many papers are asked, and which model answers."""
        model = self._library.model
        asked = candidates_text(self._library.retriever(self._filters).scope)
        self._note(f"{asked}, {model or 'no chat model'}. /help lists what you can do.")
        wanted = (self._library.config.model or "").lower() != NO_MODEL
        if wanted and model is None and self._library.chat_failure is None:
            self._note(HOW_TO_WRITE)

    @property
    def config(self) -> Config:
        """Return the settings, the corpus that is asked among them."""
        return self._library.config

    def obey(self, typed: str) -> bool:
        """Do what a line asks for; return False if it ends the conversation. Raises QAError."""
        self.failed = False
        line = clean_line(typed)
        line = ALIASES.get(line.lower(), line)
        if line.startswith("/"):
            name, _, rest = line.partition(" ")
            return self._run(_command(name), rest.strip())
        if line:
            self._ask(checked_question(line))
        return True

    def _run(self, command: str, rest: str) -> bool:
        match command:
            case "/papers":
                answer = turns_with_lists([self._last, *self._turns])[-1].answer
                show_papers(self._out, answer)
                self._out.print(coverage_line(answer))
            case "/show":
                self._show(rest)
            case "/yes" | "/partly" | "/no":
                self._overrule(command, rest)
            case "/judge":
                self._judge(rest)
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
            since_new = "No question has been answered since /new."
            raise UsageError(since_new if self._all else NOTHING_ANSWERED)
        return self._turns[-1]

    def _ask(self, line: str) -> None:
        asked, usage = by_rules(line, context_of(self._turns)), Usage()
        if self._library.model is not None and self._turns:
            with Display(stream=False, verbose=False) as display:
                display.show("Understanding the question")
                asked, usage = run(self._rewritten(line, asked))
        self._answer(line, asked, usage)

    async def _rewritten(self, line: str, rules: Interpretation) -> tuple[Interpretation, Usage]:
        folder = self._library.config.prompts
        system, user = (load_prompt(f"followup.{part}", folder) for part in ("system", "user"))
        chat = self._library.chat()
        try:
            return await QuestionRewriter(chat, system, user).rewrite(line, self._turns, rules)
        finally:
            await chat.close()

    def _answer(
        self, typed: str, asked: Interpretation, usage: Usage, *, write: bool = True
    ) -> None:
        """Answer a question, show the answer and keep it; `usage` is what rewriting it took.

        Without `write` the papers are listed with their sentences.
        """
        line = asked_line(typed, asked)
        if line:
            print_hanging(self._out, Text(line, style="dim"), 2)
        with Display(stream=True, verbose=self._verbose) as display:
            options = AskOptions(
                limits=Limits(exhaustive=bool(asked.within)),
                filters=self._filters_for(asked),
                write=write,
                on_event=display.event,
            )
            answer = run(self._library.answer(asked.question, options)).answer
            display.clear()
            answer = self._with_cost(_about_asked_papers(answer, asked), usage)
            turn = Turn(typed, asked, answer)
            self._turns.append(turn)
            self._all.append(turn)
            show(answer, display)
            note_warnings(answer, display)
            display.sum_up(answer)
        self.failed = any(warning.kind in FAILURES for warning in answer.warnings)
        coverage = answer.coverage
        if not coverage.candidates:
            self._note(self._library.why_none(self._filters))
        some = 0 < coverage.candidates < coverage.corpus
        if asked.within and some and not (asked.named and answer.papers):
            papers = f"all {self._library.generation.paper_count:,} papers"
            everything = "every paper that passes the filter" if self._filters else papers
            self._note(f"/wider asks {everything}.")

    def _filters_for(self, asked: Interpretation) -> Filters:
        """Return filters that only the papers pass that the question is asked of."""
        if not asked.within:
            return self._filters
        ids = tuple(paper.id for paper in asked.within)
        if asked.named:
            numbers = tuple(paper.n for paper in asked.within)
            names = numbers_of(asked.within)
            return replace(self._filters, ids=ids, ids_are=names, numbers=numbers)
        last = asked.within == turns_with_lists(self._turns)[-1].answer.papers
        names = f"the papers of {'the last' if last else 'an earlier'} answer"
        return replace(self._filters, ids=ids, ids_are=names)

    def _with_cost(self, answer: Answer, usage: Usage) -> Answer:
        if answer.model is None:
            return answer
        base_url = self._library.config.base_url
        return with_cost_of(answer, usage, cost_usd(answer.model, usage, base_url=base_url))

    def _widen(self) -> None:
        asked = self._last.interpretation
        if not asked.within:
            raise UsageError("The last answer is of the whole corpus already.")
        self._answer("/wider", Interpretation(asked.wider, asked.wider), Usage())

    def _listed(self, wanted: str, command: str) -> ListedPaper:
        """Return the paper that a number of the last list means; raises UsageError."""
        last, context = self._last, context_of(self._turns)
        shown = {paper.n: paper for paper in context.shown} if context else {}
        if last.interpretation.named:  # with other evidence than when they were listed
            shown |= {paper.n: paper for paper in last.answer.papers + last.answer.nearest}
        number = re.fullmatch(r"\[?(\d{1,6})\]?", wanted)
        if number is None:
            raise UsageError(f"Say which paper, by its number: {command} 1")
        entry = shown.get(int(number[1]))
        if entry is None:
            papers = f"[1] to [{max(shown)}]" if shown else "none"
            raise UsageError(f"The last list has no [{number[1]}]: its papers are {papers}.")
        return entry

    def _overrule(self, command: str, wanted: str) -> None:
        """Keep the reader's verdict on a listed paper, and list the papers anew."""
        entry, asked = self._listed(wanted, command), self._last.interpretation
        self._library.overrule(asked.question, entry.id, VERDICTS[command])
        self._answer(f"{command} {wanted}", asked, Usage(), write=False)

    def _judge(self, wanted: str) -> None:
        """Have the reader judge the papers for a question, the last one unless it is given."""
        question = checked_question(wanted) if wanted else ""
        asked = Interpretation(question, question) if question else self._last.interpretation
        judge_papers(self._library, asked.question, self._filters_for(asked), self._out)
        self._answer(f"/judge {wanted}".strip(), asked, Usage(), write=False)

    def _show(self, wanted: str) -> None:
        entry = self._listed(wanted, "/show")
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
        self._note(f"Wrote {counted(len(self._all), 'question', 'questions')} to {path}")

    def _note(self, text: str) -> None:
        if text:
            self._err.print(Text(text, style="dim"))


def _about_asked_papers(answer: Answer, asked: Interpretation) -> Answer:
    """Return the answer; a refusal then speaks of the papers asked, and not of the whole corpus."""
    refused = answer.model is not None and answer.outcome == Outcome.NOT_IN_CORPUS
    if not asked.within or not refused:
        return answer
    papers = "This paper does" if len(asked.within) == 1 else "These papers do"
    text = f"{papers} not say so.{answer.answer.removeprefix(SAYS_NOT)}"
    return replace(answer, answer=text)


def _command(name: str) -> str:
    """Return the command with this name or this start of one; raises UsageError."""
    name = ALIASES.get(name.lower(), name.lower())
    # A verdict is kept for good, so it is no abbreviation's meaning.
    in_full = [known for known in VERDICTS if known == name]
    starting = [known for known in COMMANDS if known not in VERDICTS and known.startswith(name)]
    meant = in_full or (starting if name != "/" else [])
    if len(meant) != 1:
        fault = f"{name} may be {' or '.join(meant)}" if len(meant) > 1 else f"There is no {name}"
        raise UsageError(f"{fault}. /help lists what you can do.")
    return meant[0]


def _answer_typed_lines(conversation: Conversation, config: Config) -> None:
    from qa.cli.line_editor import LineEditor

    err = console(stderr=True)
    editor = LineEditor(PROMPT, list(COMMANDS), config.cache / "chat_history")
    # What to say of a Ctrl-C. It is said inside the `try`, where a second Ctrl-C does no harm.
    interrupted = ""
    while True:
        try:
            if interrupted:
                err.print(f"{interrupted}\n")
            interrupted = "Ctrl-D ends."
            line = editor.read()
            interrupted = "Stopped. What was read is kept."
            if line is None or not _obeyed(conversation, line)[0]:
                return
            interrupted = ""
        except KeyboardInterrupt:
            continue


def _answer_piped_lines(conversation: Conversation) -> int:
    out, err = console(), console(stderr=True)
    code = 0
    for line in filter(None, map(clean_line, _lines(err))):
        out.print(PROMPT + line)
        goes_on, succeeded = _obeyed(conversation, line)
        if not succeeded or conversation.failed:
            code = 1
        if not goes_on:
            break
    return code


def _obeyed(conversation: Conversation, line: str) -> tuple[bool, bool]:
    """Do what a line asks for; return whether the conversation goes on, and whether it succeeded.

    An error is printed, and the conversation stays as it was.
    """
    goes_on, succeeded = True, True
    try:
        goes_on = conversation.obey(line)
    except QAError as exc:
        console(stderr=True).print(error_line(exc, conversation.config))
        succeeded = False
    if goes_on and line.strip():
        console().print()
    return goes_on, succeeded


def _lines(err: Console) -> Iterator[str]:
    """Yield the lines of stdin as they come; a person whose output goes elsewhere gets a prompt."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    while True:
        if sys.stdin.isatty():
            err.print(PROMPT, end="")
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def save(turns: Sequence[Turn], library: Library, wanted: str) -> Path:
    """Write the questions and answers to a new file, or with `--force` over an old one.

    `wanted` is what was typed: the file's name, perhaps in quotes. Raises UsageError, ConfigError.
    """
    force = wanted.endswith(FORCE)
    name = wanted.removesuffix(FORCE).strip().strip("\"'")
    if not name:
        raise UsageError("Say where to: /save answers.md")
    text = transcript(f"Questions to {library.config.corpus.name}", _sections(turns, library))
    path = Path(name)
    try:
        path = path.expanduser()
        _write(path.resolve(), text.encode(errors="replace"), force=force)
    except FileExistsError as exc:
        raise UsageError(f"{path} exists. To replace it: /save {name}{FORCE}") from exc
    except (OSError, RuntimeError) as exc:  # the latter where ~name has no home folder
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"{path} cannot be written: {reason}. Save elsewhere.") from exc
    return path


def _sections(turns: Sequence[Turn], library: Library) -> Iterator[Section]:
    for turn in turns:
        answer = turn.answer
        references = answer_papers(answer, library.papers_of(answer.papers))
        asked = asked_line(turn.typed, turn.interpretation)
        yield Section(turn.typed, asked, answer, references, coverage_line(answer))


def _write(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file, all of it or nothing; raises FileExistsError for an old one without `force`."""
    is_new = not path.exists()
    path.open("ab" if force else "xb").close()  # raises for a file that may not be written
    if not path.is_file():  # a device, which must not be replaced by a file
        path.write_bytes(content)
        return
    try:
        replace_file(path, content)
    except BaseException:
        if is_new:
            path.unlink(missing_ok=True)
        raise
