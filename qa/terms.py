"""What a question is about: the text to embed, and the words to look for."""

import re

# In a corpus of papers these tell nothing: function words, and what questions are made of.
_STOP_WORDS = """
    a about above after again against all also am among an and any are as at be became because
    become been before being below between both but by can cannot could deal deals did do does
    doing done down during each either else ever every few find for found from further get give
    gives go had has have having he her here hers him his how however i if in instead into is it
    its itself just let like many may me might more most much must my near neither no nor not of
    off on once one only onto or other our out over own per please rather s same say says she
    should show shows since so some such t than that the their them then there these they this
    those through thus to together too toward under until up upon us use used uses using very was
    way ways we were what when where whether which while who whom whose why will with within
    without would you your
    abstract abstracts according article articles author authors describe described describes
    discuss discussed discusses list mention mentioned mentions name paper papers present
    presented presents propose proposed proposes publication publications research studies study
    tell
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"[^\W_]+")

# "which papers …", "list all the papers that …", "for graphs, which papers …", "studies on …"
_ASKING = re.compile(
    r"""
    (^|,\s*)
    (?:
      (?:(?: please | can\ you | could\ you | i\ am | i['\u2019]m | looking\ for | show | give
           | find | list | name | tell | me | us | a\ list\ of | are\ there | is\ there | do | does
           | which | what | how\ many | in | all | any | some | every | each | of | the | these
           | those | a | other | recent )\s+)+
      (?: papers? | articles? | publications? | stud(?:y|ies) | preprints? | abstracts?
        | (?<=which\ )works )
      | (?: papers | articles | publications | studies )  # without a word before: "papers on …"
    )
    \b
    (?:\s+(?: are\ there | there\ are | do\ we\ have | in\ (?:the|this)\ corpus | that | which
            | are\ about | about | on )\b)*
    [\s,:]*
    """,
    re.IGNORECASE | re.VERBOSE,
)

_OWN_WORK = re.compile(
    r"\b(?:we|our|ours|here|in this|proposed|introduces?|presents?"
    r"|this (?:paper|work|study|article|method|approach))\b",
    re.IGNORECASE,
)

_NUMBER_ASKED = re.compile(
    r"\b(?:how (?:many|much|long|short|far|fast|deep|large|big|small|often|high|low)"
    r"|what (?:\w+ ){0,2}?(?:share|fraction|percentage|proportion|number|rate|ratio|score|error"
    r"|accuracy|speed-?up|factor|size|value|average)|by what factor)\b",
    re.IGNORECASE,
)


def topic(question: str) -> str:
    """Return the question without the words that only ask for papers.

    An embedding of "which papers train without X?" lies near texts about papers; one of "train
    without X" near texts about X.
    """
    text = _ASKING.sub(r"\1", question.strip(), count=1).strip().rstrip("?").strip()
    return text if _WORD.search(text) else question.strip()


def content_words(question: str) -> list[str]:
    """Return the question's words in lower case that tell something, each once, in order."""
    words = list(dict.fromkeys(_WORD.findall(topic(question).lower())))
    return [word for word in words if word not in STOP_WORDS] or words


def telling_words(text: str, *, since: int = 0) -> tuple[tuple[int, int], ...]:
    """Return where in a text (start, end) the words that tell something stand."""
    words = _WORD.finditer(text, since)
    return tuple(word.span() for word in words if word[0].lower() not in STOP_WORDS)


def keywords(question: str) -> dict[str, float]:
    """Return the terms to look for in the keyword index, with their weights."""
    return dict.fromkeys(content_words(question), 1.0)


def tells_own_work(sentence: str) -> bool:
    """Tell whether the authors speak of what they did, and not of what others have done."""
    return _OWN_WORK.search(sentence) is not None


def asks_for_number(question: str) -> bool:
    """Tell whether the answer is likely to be a figure."""
    return _NUMBER_ASKED.search(question) is not None
